// The log-sum-exp (base 2) of each row over all blocks. One invocation per row.
//   rows [sets, key blocks, ROWS]   lse [sets, ROWS]   grid: ROWS / WORKGROUP_SIZE, sets
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> lse: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= ROWS) { return; }
  var largest = NOTHING;
  var sum = 0.0;
  for (var block = 0u; block < num_key_blocks(); block++) {
    let entry = rows[row_index(id.y, block, id.x)];
    let before = largest;
    largest = max(largest, entry);
    sum = sum * exp2(before - largest) + exp2(entry - largest);
  }
  // A row that sees nothing stays one.
  lse[id.y * ROWS + id.x] = select(largest + log2(sum), NOTHING, largest == NOTHING);
}
