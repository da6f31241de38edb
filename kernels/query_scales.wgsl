// What QK-norm multiplies each query by, 1 / its root mean square.
//   qkv [tokens, QKV_SIZE] in front of RoPE   scales [tokens, NUM_HEADS]   grid: queries * NUM_HEADS / WORKGROUP_SIZE
#include "common/step.wgsl"

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> scales: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= step.num_tokens * NUM_HEADS) { return; }
  let start = (id.x / NUM_HEADS * QKV_SIZE + id.x % NUM_HEADS * HEAD_DIM) / 4u;
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM / 4u; i++) { squares += dot(qkv[start + i], qkv[start + i]); }
  scales[id.x] = inverseSqrt(squares / f32(HEAD_DIM) + EPSILON);
}
