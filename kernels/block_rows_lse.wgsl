// The log-sum-exp (base 2) of each row over all blocks. One invocation per row.
//   rows [sets, key blocks, ROWS]   lse [sets, ROWS]   grid: ROWS / WORKGROUP_SIZE, sets
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

// Under way at once: what takes time is waiting for them.
const LOADS = 8u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= ROWS) { return; }
  var largest = NOTHING;
  var sum = 0.0;
  for (var first = 0u; first < num_key_blocks(); first += LOADS) {
    var entries: array<f32, LOADS>;
    for (var i = 0u; i < LOADS; i++) {
      let block = min(first + i, num_key_blocks() - 1u);
      entries[i] = select(NOTHING, rows[row_index(id.y, block, id.x)], first + i < num_key_blocks());
    }
    let before = largest;
    for (var i = 0u; i < LOADS; i++) { largest = max(largest, entries[i]); }
    sum *= exp2(before - largest);
    for (var i = 0u; i < LOADS; i++) { sum += exp2(entries[i] - largest); }
  }
  // A row that sees nothing stays one.
  lse[id.y * ROWS + id.x] = select(largest + log2(sum), NOTHING, largest == NOTHING);
}
