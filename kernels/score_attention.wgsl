// Scores slots by the attention they received: its sum, averaged over POOL neighbours, over all heads of the layer (TOVA)
// or over the queries that could see the slot (observed attention), as the constants say.
//   sums, scores [rows]   positions: see common/position.wgsl   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include "common/position.wgsl"

@group(0) @binding(0) var<storage, read> sums: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> eviction: Eviction;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

fn pooled(head: u32, slot: u32) -> f32 {
  let start = slot - min(slot, POOL / 2u);
  let end = min(slot + POOL / 2u + 1u, slots_of(heads[head], eviction.length));
  var sum = 0.0;
  for (var i = start; i < end; i++) { sum += sums[heads[head].first_row + i]; }
  return sum / f32(POOL);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let slot = id.x;
  let head = id.y;
  if (slot >= slots_of(heads[head], eviction.length)) { return; }
  var score = 0.0;
  if (MEAN_OVER_HEADS) {
    for (var h = 0u; h < NUM_KV_HEADS; h++) { score += pooled(h, slot); }
  } else {
    score = pooled(head, slot);
  }
  if (BY_AGE) { score /= f32(eviction.tokens_read - position_of(head, slot)); }
  scores[heads[head].first_row + slot] = score;
}
