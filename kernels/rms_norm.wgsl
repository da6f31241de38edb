// Root-mean-square norm, one workgroup per token: y = x / sqrt(mean(x²) + EPSILON) * weight.
// With ACCUMULATE the result is added to y: gemma's norms in front of a residual addition.
//   x [tokens, SIZE]   weight [SIZE]   y [tokens, SIZE]   grid: tokens
#include <reduce>

const VECTORS = SIZE / 4u;

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let row = invocation.workgroup.x * VECTORS;
  var squares = 0.0;
  for (var i = invocation.local_index; i < VECTORS; i += WORKGROUP_SIZE) {
    let value = x[row + i];
    squares += dot(value, value);
  }
  let scale = inverseSqrt(workgroup_sum(squares, invocation) / f32(SIZE) + EPSILON);
  for (var i = invocation.local_index; i < VECTORS; i += WORKGROUP_SIZE) {
    let normed = x[row + i] * scale * weight[i];
    if (ACCUMULATE) { y[row + i] += normed; } else { y[row + i] = normed; }
  }
}
