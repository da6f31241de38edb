// Which queries of a pass are recorded, and on which slots. Slots are counted as steps count them: those of a head without
// surplus.
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

// Slots of a head in front of one that steps count; none of any head in front of 0.
fn from_start(head: Head, slot: u32) -> u32 {
  return select(0u, slots_of(head, slot), slot > 0u);
}
