// Turns the scores of slots for which several heads compete into orders, in place: 0 for rows that are not up for choice,
// the highest for those that a head keeps whatever the others have (AdaKV's safeguard), arXiv:2407.11550. One workgroup a head.
//   orders [rows]: before, scores as bits   grid: NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/protected.wgsl"
#include "common/radix_select.wgsl"

@group(0) @binding(0) var<storage, read_write> orders: array<u32>;
@group(0) @binding(1) var<uniform> eviction: Eviction;
@group(0) @binding(2) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const SAFE = 0xfffffffeu;

fn order_of_item(head: u32, slot: u32) -> u32 {
  return clamp(order_of(bitcast<f32>(orders[heads[head].first_row + slot])), 1u, SAFE - 1u);
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
  let first_row = heads[head].first_row;
  let length = length_of(head);
  let is_last = head == NUM_KV_HEADS - 1u;
  let end_row = select(heads[min(head + 1u, NUM_KV_HEADS - 1u)].first_row, eviction.rows, is_last);
  let threshold = radix_select(head, length, eviction.safe, local_index);
  for (var slot = local_index; slot < end_row - first_row; slot += WORKGROUP_SIZE) {
    var order = 0u;
    if (slot < length && !is_protected(slot, length)) {
      order = order_of_item(head, slot);
      if (eviction.safe > 0u && is_chosen(order, slot, threshold)) { order = SAFE; }
    }
    orders[first_row + slot] = order;
  }
}
