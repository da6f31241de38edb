// Chooses the slots a head keeps: sinks, recent ones, and of the rest those with the highest scores; of equal scores the
// lower slots. One workgroup a head.
//   scores [rows]   kept [NUM_KV_HEADS, budget]   grid: NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/protected.wgsl"
#include "common/radix_select.wgsl"

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> kept: array<u32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

fn order_of_item(head: u32, slot: u32) -> u32 {
  return order_of(scores[heads[head].first_row + slot]);
}

fn weight_of_item(head: u32, slot: u32) -> u32 {
  return select(1u, 0u, is_protected(slot, length_of(head)));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.x;
  let length = length_of(head);
  let wanted = eviction.budget - eviction.sinks - eviction.recent;
  let threshold = radix_select(head, length, wanted, local_index);
  var before = 0u;
  for (var start = 0u; start < length; start += WORKGROUP_SIZE) {
    let slot = start + local_index;
    var is_kept = false;
    if (slot < length) {
      let order = order_of_item(head, slot);
      is_kept = is_protected(slot, length) || (wanted > 0u && is_chosen(order, slot, threshold));
    }
    let sum = running_sum(u32(is_kept), local_index);
    if (is_kept) { kept[head * eviction.budget + before + sum - 1u] = slot; }
    before += running[WORKGROUP_SIZE - 1u];
    workgroupBarrier();
  }
}
