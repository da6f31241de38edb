// How the softmax weights of sampled queries are joined.
#include "common/sample.wgsl"

// The first sampled query that sees a slot of a head whose first new one is `first_slot`.
fn first_query_of(slot: u32, first_slot: u32) -> u32 {
  let token = slot - min(slot, first_slot);
  return (token - min(token, sample.first_query) + sample.stride - 1u) / sample.stride;
}

// Weights of several queries, or of several heads: their sum, or their maximum.
fn join(a: f32, b: f32) -> f32 {
  return select(a + b, max(a, b), TAKES_MAXIMUM);
}

// The weight of a GQA group whose heads are joined: a sum becomes their mean.
fn weight_of_group(weight: f32) -> f32 {
  return select(weight / f32(GROUP_SIZE), weight, TAKES_MAXIMUM);
}
