// Cache type f16: two words for every four values; packed by built-ins that need no f16 feature.
// `row` is the head's first row + slot.
alias cache_Word = vec2<u32>;
const cache_WORDS = HEAD_DIM / 4u;   // words of a row
const cache_BLOCK = 1u;              // vec4s that are stored together
const cache_HAS_OFFSET = false;
const cache_LARGEST = vec4(65504.0);

fn cache_load(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let word = (*words)[row * cache_WORDS + i];
  return vec4(unpack2x16float(word.x), unpack2x16float(word.y));
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

// What a value reads as once it was stored. Not by packing and unpacking it: compilers take that for nothing.
fn cache_rounded(value: vec4<f32>) -> vec4<f32> {
  return quantizeToF16(clamp(value, -cache_LARGEST, cache_LARGEST));
}

fn cache_store(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  block: u32,
  values: array<vec4<f32>, cache_BLOCK>,
) {
  let value = clamp(values[0], -cache_LARGEST, cache_LARGEST);
  (*words)[row * cache_WORDS + block] = vec2(pack2x16float(value.xy), pack2x16float(value.zw));
}
