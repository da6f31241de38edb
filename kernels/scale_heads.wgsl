// Multiplies queries and keys in place, value by value: SmoothAttention (arXiv:2405.04532) makes keys' large dimensions smaller
// and the same dimensions of queries larger, so that q·k stays as it was and keys quantise better.
//   qkv [tokens, QKV_SIZE]   scales [NUM_SCALED], of the queries and keys of a token
//   grid: NUM_SCALED / 4 / WORKGROUP_SIZE, tokens
@group(0) @binding(0) var<storage, read_write> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> scales: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < NUM_SCALED / 4u) { qkv[id.y * (QKV_SIZE / 4u) + id.x] *= scales[id.x]; }
}
