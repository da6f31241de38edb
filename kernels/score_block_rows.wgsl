// Scores blocks by the softmax of the rows of a query block over all blocks: the mean over the rows that see anything, so
// that a query block's scores add up to 1.
//   rows [NUM_KV_HEADS * query blocks, key blocks, ROWS]   lse [NUM_KV_HEADS * query blocks, ROWS]
//   scores [NUM_KV_HEADS, query blocks, key blocks]   grid: key blocks / WORKGROUP_SIZE, NUM_KV_HEADS * query blocks
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= num_key_blocks()) { return; }
  var sum = 0.0;
  var num_rows = 0.0;
  for (var row = 0u; row < ROWS; row++) {
    let row_lse = lse[id.y * ROWS + row];
    if (row_lse > NOTHING) {
      sum += exp2(rows[row_index(id.y, id.x, row)] - row_lse);
      num_rows += 1.0;
    }
  }
  scores[id.y * num_key_blocks() + id.x] = sum / num_rows;
}
