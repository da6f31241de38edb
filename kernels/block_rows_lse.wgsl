// The log-sum-exp (base 2) of each row over all blocks. PARTS invocations share a row, each has every PARTS-th block.
//   rows [sets, key blocks, ROWS]   lse [sets, ROWS]   grid: ROWS / OWN_ROWS, sets
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

const PARTS = WORKGROUP_SIZE / OWN_ROWS;
// Under way at once: what takes time is waiting for them.
const LOADS = 8u;

// Of each part the largest entry, and the sum of all relative to it.
var<workgroup> parts: array<vec2<f32>, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let row = workgroup.x * OWN_ROWS + local_index % OWN_ROWS;
  var largest = NOTHING;
  var sum = 0.0;
  for (var first = local_index / OWN_ROWS; first < num_key_blocks(); first += PARTS * LOADS) {
    var entries: array<f32, LOADS>;
    for (var i = 0u; i < LOADS; i++) {
      let block = first + i * PARTS;
      // Some other entry where there is none.
      let entry = rows[row_index(workgroup.y, min(block, num_key_blocks() - 1u), min(row, ROWS - 1u))];
      entries[i] = select(NOTHING, entry, block < num_key_blocks());
    }
    let before = largest;
    for (var i = 0u; i < LOADS; i++) { largest = max(largest, entries[i]); }
    sum *= exp2(before - largest);
    for (var i = 0u; i < LOADS; i++) { sum += exp2(entries[i] - largest); }
  }
  parts[local_index] = vec2(largest, sum);
  workgroupBarrier();
  if (local_index >= OWN_ROWS || row >= ROWS) { return; }
  for (var i = local_index + OWN_ROWS; i < WORKGROUP_SIZE; i += OWN_ROWS) {
    let before = largest;
    largest = max(largest, parts[i].x);
    sum = sum * exp2(before - largest) + parts[i].y * exp2(parts[i].x - largest);
  }
  // A row that sees nothing stays one.
  lse[workgroup.y * ROWS + row] = select(largest + log2(sum), NOTHING, largest == NOTHING);
}
