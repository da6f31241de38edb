// Keeps the query rows of generated tokens and their log-sum-exps (base 2), until it is known which of the tokens stay: a ring of
// KEPT_QUERIES rows, the first of which is that of the generation's first slot.
//   kept_queries [KEPT_QUERIES, QKV_SIZE]   kept_lse [KEPT_QUERIES, NUM_HEADS]
struct Generation {
  first_slot: u32,
}

@group(0) @binding(QUERY_BINDING) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(QUERY_BINDING + 1u) var<storage, read_write> kept_queries: array<vec4<f32>>;
@group(0) @binding(QUERY_BINDING + 2u) var<storage, read_write> kept_lse: array<f32>;
@group(0) @binding(QUERY_BINDING + 3u) var<uniform> generation: Generation;

fn keep_query(i: u32, head: u32, lse: f32) {
  let row = (step.first_slot - generation.first_slot) % KEPT_QUERIES;
  kept_queries[row * (QKV_SIZE / 4u) + i] = qkv[i];
  if (i % VECTORS == 0u) { kept_lse[row * NUM_HEADS + head] = lse; }
}
