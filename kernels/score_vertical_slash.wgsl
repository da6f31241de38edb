// Column sums of the sampled rows by key block, and diagonal sums by the distance of a key block from the query's own: the
// verticals and slashes of MInference (arXiv:2407.02490). Both are means over the rows,
// which a workgroup's invocations share.
//   rows, shifts [NUM_KV_HEADS, key blocks, ROWS]   lse [NUM_KV_HEADS, ROWS]   scores [NUM_KV_HEADS, 2, key blocks]
//   grid: key blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/query_rows.wgsl"
#include <sum4>

@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read> shifts: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

// A row's weight in a block, and what of it stays, moves farther and moves nearer.
fn weights_of(kv_head: u32, block: u32, row: u32) -> vec4<f32> {
  let index = row_index(kv_head, block, row);
  let weight = exp2(rows[index] - lse[kv_head * ROWS + row]);
  let shift = shifts[index];
  return weight * vec4(1.0, 1.0 - shift.x - shift.y, shift);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let block = invocation.workgroup.x;
  let kv_head = invocation.workgroup.y;
  var vertical = 0.0;
  var slash = 0.0;
  var num_rows = 0.0;
  for (var row = invocation.local_index; row < ROWS; row += WORKGROUP_SIZE) {
    let query_end = end_of_row(row);
    if (query_end == 0u) { continue; }
    num_rows += 1.0;
    let own_block = (query_end - 1u) / BLOCK;
    if (block <= own_block) {
      vertical += weights_of(kv_head, block, row).x;
      slash += weights_of(kv_head, own_block - block, row).y;
    }
    // From the blocks one nearer and one farther.
    if (block > 0u && block <= own_block + 1u) {
      slash += weights_of(kv_head, own_block + 1u - block, row).z;
    }
    if (block < own_block) { slash += weights_of(kv_head, own_block - 1u - block, row).w; }
  }
  let sums = workgroup_sum4(vec4(vertical, slash, num_rows, 0.0), invocation);
  if (invocation.local_index != 0u) { return; }
  let start = kv_head * 2u * num_key_blocks();
  scores[start + block] = sums.x / sums.z;
  scores[start + num_key_blocks() + block] = sums.y / sums.z;
}
