// Keeps a decoding step's queries as they are in front of QK-norm and RoPE, until it is known whether its token stays: a ring of
// KEPT_QUERIES rows, the first of which is that of the generation's first slot.
//   kept_queries [KEPT_QUERIES, QKV_SIZE]
struct Generation {
  first_slot: u32,
}

@group(0) @binding(5) var<storage, read_write> kept_queries: array<f32>;
@group(0) @binding(6) var<uniform> generation: Generation;

fn keep_unturned(head: u32, dimension: u32, value: f32) {
  if (head >= NUM_HEADS) { return; }
  let row = (step.first_slot - generation.first_slot) % KEPT_QUERIES;
  kept_queries[row * QKV_SIZE + head * HEAD_DIM + dimension] = value;
}
