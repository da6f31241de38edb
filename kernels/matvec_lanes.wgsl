// y = W x for each of a few tokens, on processors whose subgroups are the lanes of a CPU's vector unit.
//   input [tokens, 4 vectors]   W [rows, 8 units]   grid: pairs of rows / WORKGROUP_SIZE, 1, tokens
// A lane computes two rows. Inputs are loaded once a subgroup, 8 columns at a time, and broadcast: no sums to reduce.
enable subgroups;
#include "common/shape.wgsl"
#include <weights>
#include <output>

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<uniform> shape: Shape;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let columns = 4u * shape.vectors;
  let last_row = shape.rows - 1u;
  let even_row = min(2u * id.x, last_row) * shape.units;
  let odd_row = min(2u * id.x + 1u, last_row) * shape.units;

  var sums = vec2(0.0);
  for (var unit = 0u; unit < shape.units; unit++) {
    let column = 8u * unit + lane % 8u;
    var loaded = input[id.z * columns + min(column, columns - 1u)];
    if (column >= columns) { loaded = 0.0; }
    let lo = vec4(
      subgroupBroadcast(loaded, 0u),
      subgroupBroadcast(loaded, 1u),
      subgroupBroadcast(loaded, 2u),
      subgroupBroadcast(loaded, 3u),
    );
    let hi = vec4(
      subgroupBroadcast(loaded, 4u),
      subgroupBroadcast(loaded, 5u),
      subgroupBroadcast(loaded, 6u),
      subgroupBroadcast(loaded, 7u),
    );
    let even = weights_at(even_row + unit);
    let odd = weights_at(odd_row + unit);
    sums += vec2(
      dot(even.lo, lo) + dot(even.hi, hi),
      dot(odd.lo, lo) + dot(odd.hi, hi),
    );
  }
  store(id.z, id.x, sums);
}
