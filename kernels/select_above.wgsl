// Lists the slots that a head keeps where heads compete: protected ones, and those up to the last one chosen. One workgroup a
// head.
//   orders, kept [rows]   counts [NUM_KV_HEADS]   threshold: see select_threshold.wgsl   grid: NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/protected.wgsl"
#include "common/running_sum.wgsl"

@group(0) @binding(0) var<storage, read> orders: array<u32>;
@group(0) @binding(1) var<storage, read_write> kept: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read> threshold: vec2<u32>;
@group(0) @binding(4) var<uniform> eviction: Eviction;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.x;
  let first_row = heads[head].first_row;
  let length = length_of(head);
  var before = 0u;
  for (var start = 0u; start < length; start += WORKGROUP_SIZE) {
    let slot = start + local_index;
    var is_kept = false;
    if (slot < length) {
      let order = orders[first_row + slot];
      let item = eviction.first_item + first_row + slot;
      is_kept = is_protected(slot, length) || order > threshold.x
        || (order == threshold.x && item <= threshold.y);
    }
    let sum = running_sum(u32(is_kept), local_index);
    if (is_kept) { kept[first_row + before + sum - 1u] = slot; }
    before += running[WORKGROUP_SIZE - 1u];
    workgroupBarrier();
  }
  if (local_index == 0u) { counts[head] = before; }
}
