// Lists the tokens of the kept slots, in place as gather_rows.wgsl. One workgroup per head.
//   kept [NUM_KV_HEADS, budget]   positions [rows]   grid: NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/position.wgsl"

@group(0) @binding(0) var<storage, read> kept: array<u32>;
@group(0) @binding(1) var<storage, read_write> positions: array<u32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.x;
  for (var tile = 0u; tile < eviction.budget; tile += WORKGROUP_SIZE) {
    let target_slot = tile + local_index;
    var position = 0u;
    if (target_slot < eviction.budget) {
      position = position_of(head, kept[head * eviction.budget + target_slot]);
    }
    storageBarrier();
    if (target_slot < eviction.budget) { positions[heads[head].first_row + target_slot] = position; }
  }
}
