// The last queries of a pass, up to BLOCK of them, as rows: the heads of a group follow each other. Rows in front of the pass
// see nothing.

// The slot behind a row's query: it sees those in front of it. 0 where the pass has no such query.
fn end_of_row(row: u32) -> u32 {
  let back = BLOCK - 1u - row / (ROWS / BLOCK);
  return select(0u, step.cache_length - back, back < step.num_tokens);
}

// The row's query in the pass; some other one where the pass has none.
fn token_of_row(row: u32) -> u32 {
  return max(end_of_row(row), step.first_slot + 1u) - 1u - step.first_slot;
}

// Online sums of a row's weights in a block: their maximum, their sum, and the parts that shift (see block_rows_queries.wgsl).
// These weigh by the distance between query and key within their blocks, in blocks.
struct Entry { largest: f32, sum: f32, farther: f32, nearer: f32 }

fn empty_entry() -> Entry {
  return Entry(NOTHING, 0.0, 0.0, 0.0);
}

fn add_scores(entry: Entry, scores: vec4<f32>, slots: vec4<u32>, query_end: u32) -> Entry {
  let masked = select(vec4(-3e38), scores, slots < vec4(query_end));
  let highest = max(max(masked.x, masked.y), max(masked.z, masked.w));
  let largest = max(entry.largest, highest);
  let correction = exp2(entry.largest - largest);
  let weights = exp2(masked - largest);
  // How far the query lies behind the key within their blocks.
  let offsets = (f32((query_end - 1u) % BLOCK) - vec4<f32>(slots % BLOCK)) / f32(BLOCK);
  return Entry(
    largest,
    entry.sum * correction + dot(weights, vec4(1.0)),
    entry.farther * correction + dot(weights, saturate(offsets)),
    entry.nearer * correction + dot(weights, saturate(-offsets)),
  );
}

// Of one row in two parts of a block.
fn join_entries(one: Entry, other: Entry) -> Entry {
  let largest = max(one.largest, other.largest);
  let weights = exp2(vec2(one.largest, other.largest) - largest);
  return Entry(
    largest,
    dot(weights, vec2(one.sum, other.sum)),
    dot(weights, vec2(one.farther, other.farther)),
    dot(weights, vec2(one.nearer, other.nearer)),
  );
}

fn lse_of(entry: Entry) -> f32 {
  return select(entry.largest + log2(entry.sum), NOTHING, entry.sum == 0.0);
}

fn shifts_of(entry: Entry) -> vec2<f32> {
  return vec2(entry.farther, entry.nearer) / max(entry.sum, 1e-30);
}
