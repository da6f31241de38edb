// Chooses the slots a head keeps: sinks, recent ones, and of the rest those with the highest scores; of equal scores the
// lower slots. A radix select finds the lowest score kept, a scan writes the chosen slots in order. One workgroup a head.
//   scores [NUM_KV_HEADS, capacity]   kept [NUM_KV_HEADS, budget]   grid: NUM_KV_HEADS
#include "common/eviction.wgsl"

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> kept: array<u32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> capacity: Capacity;

var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> found: vec2<u32>;                        // threshold's leading bits, slots still to choose below them
var<workgroup> running: array<vec2<u32>, WORKGROUP_SIZE>;  // slots kept for certain, slots at the threshold

// Unsigned integers in the order of the floats; +0 and −0 are equal.
fn order_of(x: f32) -> u32 {
  let bits = bitcast<u32>(select(x, 0.0, x == 0.0));
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

fn is_protected(slot: u32) -> bool {
  return slot < eviction.sinks || slot + eviction.recent >= eviction.length;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.x * capacity.slots;
  let wanted = eviction.budget - eviction.sinks - eviction.recent;
  if (local_index == 0u) { found = vec2(0u, wanted); }
  // Byte by byte from the highest: in which bucket does the wanted number of slots end?
  for (var shift = 32u; shift > 0u; ) {
    let mask = select(0xffffffffu << shift, 0u, shift == 32u);
    shift -= 8u;
    for (var i = local_index; i < 256u; i += WORKGROUP_SIZE) { atomicStore(&counts[i], 0u); }
    workgroupBarrier();
    let prefix = found.x;
    for (var slot = local_index; slot < eviction.length; slot += WORKGROUP_SIZE) {
      let order = order_of(scores[head + slot]);
      if (!is_protected(slot) && (order & mask) == prefix) {
        atomicAdd(&counts[(order >> shift) & 255u], 1u);
      }
    }
    workgroupBarrier();
    if (local_index == 0u) {
      var bucket = 255u;
      var remaining = found.y;
      while (bucket > 0u && atomicLoad(&counts[bucket]) < remaining) {
        remaining -= atomicLoad(&counts[bucket]);
        bucket--;
      }
      found = vec2(found.x | (bucket << shift), remaining);
    }
    workgroupBarrier();
  }
  let threshold = found.x;
  let at_threshold = found.y;

  var before = vec2(0u);
  for (var start = 0u; start < eviction.length; start += WORKGROUP_SIZE) {
    let slot = start + local_index;
    var own = vec2(0u);
    if (slot < eviction.length) {
      let order = order_of(scores[head + slot]);
      if (is_protected(slot) || (wanted > 0u && order > threshold)) {
        own.x = 1u;
      } else if (wanted > 0u && order == threshold) {
        own.y = 1u;
      }
    }
    running[local_index] = own;
    workgroupBarrier();
    for (var distance = 1u; distance < WORKGROUP_SIZE; distance *= 2u) {
      var sum = running[local_index];
      if (local_index >= distance) { sum += running[local_index - distance]; }
      workgroupBarrier();
      running[local_index] = sum;
      workgroupBarrier();
    }
    let earlier = before + running[local_index] - own;
    if (own.x == 1u || (own.y == 1u && earlier.y < at_threshold)) {
      kept[workgroup.x * eviction.budget + earlier.x + min(earlier.y, at_threshold)] = slot;
    }
    before += running[WORKGROUP_SIZE - 1u];
    workgroupBarrier();
  }
}
