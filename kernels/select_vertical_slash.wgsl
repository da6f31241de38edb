// Chooses the key blocks that a query block attends to, for each KV head, by columns and diagonals: half of a share of the
// blocks in sight by the highest columns, the other half by the highest diagonals among those that are left. The first block
// (the sinks) and its own are always attended. Of equal scores the lower blocks.
//   scores [NUM_KV_HEADS, 2, key blocks]: by block, by distance from the own block
//   lists [NUM_KV_HEADS, query blocks, 1 + key blocks]   attended [NUM_KV_HEADS], summed up over passes
//   grid: query blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_list.wgsl"
#include "common/radix_select.wgsl"
#include "common/quota_share.wgsl"

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> lists: array<u32>;
@group(0) @binding(2) var<storage, read_write> attended: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> step: Step;

// Rows of `scores` are columns and diagonals by turns.
var<private> own_block: u32;
var<private> columns_wanted: u32;
var<private> column_threshold: Threshold;

fn is_forced(block: u32) -> bool {
  return block == 0u || block == own_block;
}

fn is_column(columns: u32, block: u32) -> bool {
  return columns_wanted > 0u
    && is_chosen(order_of_item(columns, block), block, column_threshold);
}

fn order_of_item(row: u32, block: u32) -> u32 {
  let place = select(block, own_block - block, row % 2u == 1u);
  return order_of(scores[row * num_key_blocks() + place]);
}

fn weight_of_item(row: u32, block: u32) -> u32 {
  let is_free = !is_forced(block) && (row % 2u == 0u || !is_column(row - 1u, block));
  return u32(is_free);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let num_visible = first_query_block() + workgroup.x + 1u;
  own_block = num_visible - 1u;
  let quota = quota_of(num_visible);
  let wanted = quota - min(quota, 2u);
  let columns = workgroup.y * 2u;
  columns_wanted = wanted - wanted / 2u;
  let threshold = radix_select(columns, num_visible, wanted - wanted / 2u, local_index);
  column_threshold = threshold;
  let diagonal_threshold = radix_select(columns + 1u, num_visible, wanted / 2u, local_index);

  let row = workgroup.y * num_query_blocks() + workgroup.x;
  var length = 0u;
  for (var start = 0u; start < num_visible; start += WORKGROUP_SIZE) {
    let block = start + local_index;
    var is_listed = false;
    if (block < num_visible) {
      let order = order_of_item(columns + 1u, block);
      let is_diagonal = wanted > 1u && is_chosen(order, block, diagonal_threshold);
      is_listed = is_diagonal || is_column(columns, block) || is_forced(block);
    }
    length = append_blocks(row, length, block, is_listed, local_index);
  }
  end_list(row, workgroup.y, length, local_index);
}
