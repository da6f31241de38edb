// Which queries of a pass are recorded, on which slots, and how their softmax weights are joined. Slots are counted as steps
// count them: those of a head without surplus.
struct Sample {
  first_query: u32,
  stride: u32,
  num_queries: u32,
  joined_slots: u32,  // slots whose record goes on; those behind begin at 0
  first_slot: u32,    // the slots recorded
  end_slot: u32,
  sinks: u32,         // under KVzip's softmax: slots in front that count,
  repeat_slot: u32,   // and the first of the tokens that repeat the slots above
}

// The token of the pass that a sampled query belongs to.
fn token_of(query: u32) -> u32 {
  return sample.first_query + query * sample.stride;
}

// The first sampled query that sees a slot of a head whose first new one is `first_slot`.
fn first_query_of(slot: u32, first_slot: u32) -> u32 {
  let token = slot - min(slot, first_slot);
  return (token - min(token, sample.first_query) + sample.stride - 1u) / sample.stride;
}

// Slots of a head in front of one that steps count; none of any head in front of 0.
fn from_start(head: Head, slot: u32) -> u32 {
  return select(0u, slots_of(head, slot), slot > 0u);
}

// Weights of several queries, or of several heads: their sum, or their maximum.
fn join(a: f32, b: f32) -> f32 {
  return select(a + b, max(a, b), TAKES_MAXIMUM);
}

// The weight of a GQA group whose heads are joined: a sum becomes their mean.
fn weight_of_group(weight: f32) -> f32 {
  return select(weight / f32(GROUP_SIZE), weight, TAKES_MAXIMUM);
}
