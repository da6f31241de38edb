// The last of the slots that heads of a layer, or of all layers, keep together: `wanted` of those up for choice. One workgroup.
//   orders: see select_candidates.wgsl   threshold: order and place among the orders   grid: 1
#include "common/radix_select.wgsl"

struct Choice {
  num_items: u32,
  wanted: u32,
}

@group(0) @binding(0) var<storage, read> orders: array<u32>;
@group(0) @binding(1) var<storage, read_write> threshold: vec2<u32>;
@group(0) @binding(2) var<uniform> choice: Choice;

const NONE = 0xffffffffu;

fn order_of_item(row: u32, item: u32) -> u32 {
  return orders[item];
}

fn weight_of_item(row: u32, item: u32) -> u32 {
  return select(1u, 0u, orders[item] == 0u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local_index: u32) {
  let last = radix_select(0u, choice.num_items, choice.wanted, local_index);
  if (local_index == 0u) {
    // Orders of rows that are not up for choice are 0: as many as there are is no more than all others.
    threshold = select(vec2(NONE, 0u), vec2(max(last.order, 1u), last.item), choice.wanted > 0u);
  }
}
