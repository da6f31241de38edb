// x = SCALE · (embedding of each token), for the tokens whose rows are in this slice of the matrix.
//   tokens [num_tokens]   x [num_tokens, 4 vectors]   grid: units / WORKGROUP_SIZE, num_tokens
#include "common/shape.wgsl"
#include <weights>

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> shape: Shape;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let unit = id.x;
  // Rows of earlier slices wrap around to large numbers.
  let row = tokens[id.y] - shape.first_row;
  if (unit >= shape.units || row >= shape.rows) { return; }
  let weights = weights_at(row * shape.units + unit);
  let vector = id.y * shape.vectors + 2u * unit;
  x[vector] = SCALE * weights.lo;
  if (2u * unit + 1u < shape.vectors) { x[vector + 1u] = SCALE * weights.hi; }
}
