// Which queries of a pass are recorded, and how far the sums of earlier passes reach.
struct Sample {
  first_query: u32,
  stride: u32,
  num_queries: u32,
  summed_slots: u32,  // slots whose sums go on; those behind begin at 0
}

struct Capacity { slots: u32 }
