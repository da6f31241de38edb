// Log-sum-exp (base 2) of a head's logits over the slots behind the sinks. One workgroup per head.
//   logits [rows, GROUP_SIZE]   row_lse [NUM_HEADS]   grid: NUM_HEADS
#include "common/eviction.wgsl"

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> row_lse: array<f32>;
@group(0) @binding(2) var<uniform> eviction: Eviction;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOWEST = -3e38;

var<workgroup> parts: array<vec2<f32>, WORKGROUP_SIZE>;

// Maximum, and sum of what is above it, of two such pairs.
fn merged(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
  let largest = max(a.x, b.x);
  return vec2(largest, a.y * exp2(a.x - largest) + b.y * exp2(b.x - largest));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = heads[workgroup.x / GROUP_SIZE];
  var part = vec2(LOWEST, 0.0);
  let length = slots_of(head, eviction.length);
  for (var slot = eviction.sinks + local_index; slot < length; slot += WORKGROUP_SIZE) {
    part = merged(part, vec2(logits[(head.first_row + slot) * GROUP_SIZE + workgroup.x % GROUP_SIZE], 1.0));
  }
  parts[local_index] = part;
  workgroupBarrier();
  if (local_index == 0u) {
    for (var i = 1u; i < WORKGROUP_SIZE; i++) { part = merged(part, parts[i]); }
    row_lse[workgroup.x] = part.x + log2(part.y);
  }
}
