// Chooses the key blocks that a query block attends to, for each KV head: the first block (the sinks) and its own always,
// and of the rest those with the highest scores until the quota is reached. Of equal scores the lower blocks.
//   scores [NUM_KV_HEADS, query blocks, key blocks]   lists [NUM_KV_HEADS, query blocks, 1 + key blocks]
//   attended [NUM_KV_HEADS], summed up over passes   grid: query blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_list.wgsl"
#include "common/radix_select.wgsl"
#include <quota>

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> lists: array<u32>;
@group(0) @binding(2) var<storage, read_write> attended: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> step: Step;

var<private> own_block: u32;

fn is_forced(block: u32) -> bool {
  return block == 0u || block == own_block;
}

fn score_of(row: u32, block: u32) -> f32 {
  return scores[row * num_key_blocks() + block];
}

fn order_of_item(row: u32, block: u32) -> u32 {
  return order_of(score_of(row, block));
}

fn weight_of_item(row: u32, block: u32) -> u32 {
  return select(weight_of_block(score_of(row, block)), 0u, is_forced(block));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let row = workgroup.y * num_query_blocks() + workgroup.x;
  let num_visible = first_query_block() + workgroup.x + 1u;
  own_block = num_visible - 1u;
  var forced = weight_of_block(score_of(row, own_block));
  if (own_block > 0u) { forced += weight_of_block(score_of(row, 0u)); }
  let quota = quota_of(num_visible);
  let wanted = quota - min(quota, forced);
  let threshold = radix_select(row, num_visible, wanted, local_index);

  var length = 0u;
  for (var start = 0u; start < num_visible; start += WORKGROUP_SIZE) {
    let block = start + local_index;
    var is_listed = false;
    if (block < num_visible) {
      let is_best = wanted > 0u && is_chosen(order_of_item(row, block), block, threshold);
      is_listed = is_best || is_forced(block);
    }
    length = append_blocks(row, length, block, is_listed, local_index);
  }
  end_list(row, workgroup.y, length, local_index);
}
