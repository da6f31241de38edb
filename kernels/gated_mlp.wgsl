// y = activation(gate) * up.
//   gate_up [tokens, 2, SIZE]   y [tokens, SIZE]   grid: SIZE / 4 / WORKGROUP_SIZE, tokens
#include <activation>

@group(0) @binding(0) var<storage, read> gate_up: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

const VECTORS = SIZE / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= VECTORS) { return; }
  let row = id.y * 2u * VECTORS + id.x;
  y[id.y * VECTORS + id.x] = activate(gate_up[row]) * gate_up[row + VECTORS];
}
