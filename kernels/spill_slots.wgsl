// Lists the slots of each head that an eviction drops, in ascending order, and the tokens they hold: those between the
// kept ones, which are sorted. One invocation per slot.
//   kept [NUM_KV_HEADS, kept]   spilled [NUM_KV_HEADS, rows]   records [pages, NUM_KV_HEADS, RECORD_WORDS]
//   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/position.wgsl"
#include "common/spill.wgsl"

@group(0) @binding(0) var<storage, read> kept: array<u32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> spilled: array<u32>;
@group(0) @binding(3) var<storage, read_write> records: array<u32>;
@group(0) @binding(4) var<uniform> eviction: Eviction;
@group(0) @binding(5) var<uniform> spill: Spill;
@group(0) @binding(6) var<uniform> heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let slot = id.x;
  let head = id.y;
  if (slot >= spill.length) { return; }
  // Number of kept slots in front of this one.
  var low = 0u;
  var high = spill.kept;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (kept[head * spill.kept + middle] < slot) { low = middle + 1u; } else { high = middle; }
  }
  if (low < spill.kept && kept[head * spill.kept + low] == slot) { return; }
  let index = slot - low;
  spilled[head * spill.rows + index] = slot;
  let record = (index / PAGE * NUM_KV_HEADS + head) * RECORD_WORDS;
  records[record + OFFSET + index % PAGE] = position_of(head, slot);
}
