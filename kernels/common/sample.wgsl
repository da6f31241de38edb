// Which queries of a pass are recorded, and how far the sums of earlier passes reach.
struct Sample {
  first_query: u32,
  stride: u32,
  num_queries: u32,
  summed_slots: u32,  // slots whose sums go on, of a head without surplus; those behind begin at 0, with 0 all
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

// Slots of a head whose sums go on.
fn summed_slots_of(head: Head) -> u32 {
  return select(0u, slots_of(head, sample.summed_slots), sample.summed_slots > 0u);
}
