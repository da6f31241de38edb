// Scores slots by the sign of a sink: much attention and a short value, sums / ‖v‖.
//   sums, scores [rows]   values [rows, HEAD_DIM]   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read> values: array<value_Word>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> eviction: Eviction;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const SMALLEST = 1e-20;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= slots_of(heads[id.y], eviction.length)) { return; }
  let row = heads[id.y].first_row + id.x;
  var squares = 0.0;
  for (var i = 0u; i < HEAD_DIM / 4u; i++) {
    let value = value_load(&values, row, i);
    squares += dot(value, value);
  }
  scores[row] = sums[row] / max(sqrt(squares), SMALLEST);
}
