// y = W x for each of a few tokens: one workgroup per 4 rows and token, its invocations side by side along the rows.
//   input [tokens, 4 vectors]   W [rows, 8 units]
//   grid: rows / 4 over x and y (a dimension holds 65,535 at most), tokens in z
#include "common/shape.wgsl"
#include <sum4>
#include <weights>
#include <output>

@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> shape: Shape;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let pair = 2u * (invocation.workgroup.x + invocation.workgroup.y * invocation.num_workgroups.x);
  let token = invocation.workgroup.z;
  let last_row = shape.rows - 1u;
  let rows = min(2u * pair + vec4(0u, 1u, 2u, 3u), vec4(last_row)) * shape.units;
  let first = token * shape.vectors;

  var sums = vec4(0.0);
  for (var unit = invocation.local_index; unit < shape.units; unit += WORKGROUP_SIZE) {
    let lo = input[first + 2u * unit];
    var hi = vec4(0.0);
    if (2u * unit + 1u < shape.vectors) { hi = input[first + 2u * unit + 1u]; }
    sums += vec4(
      product(weights_at(rows.x + unit), lo, hi),
      product(weights_at(rows.y + unit), lo, hi),
      product(weights_at(rows.z + unit), lo, hi),
      product(weights_at(rows.w + unit), lo, hi),
    );
  }

  let totals = workgroup_sum4(sums, invocation);
  // One invocation stores: rows after the last are dropped there.
  if (invocation.local_index == 0u) {
    store(token, pair, totals.xy);
    store(token, pair + 1u, totals.zw);
  }
}

fn product(weights: Unit, lo: vec4<f32>, hi: vec4<f32>) -> f32 {
  return dot(weights.lo, lo) + dot(weights.hi, hi);
}
