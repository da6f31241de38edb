// Cache type f32: one vec4 for every four values. `row` is the head's first row + slot.
alias cache_Word = vec4<f32>;
const cache_WORDS = HEAD_DIM / 4u;   // words of a row
const cache_BLOCK = 1u;              // vec4s that are stored together
const cache_HAS_OFFSET = false;

fn cache_load(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  return (*words)[row * cache_WORDS + i];
}

// Values are stored as they are: nothing multiplies them or is added.
fn cache_range(words: ptr<storage, array<cache_Word>, read>, row: u32, i: u32) -> vec2<f32> {
  return vec2(1.0, 0.0);
}

fn cache_quants(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  return cache_load(words, row, i);
}

fn cache_store(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  block: u32,
  values: array<vec4<f32>, cache_BLOCK>,
) {
  (*words)[row * cache_WORDS + block] = values[0];
}
