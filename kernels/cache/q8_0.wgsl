// Cache type q8_0: blocks of 32 values as signed bytes and one scale, the largest magnitude / 127; nine words a block.
// `row` is the head's first row + slot. The scale keeps 32 bits: the word it lies in is there anyway.
alias cache_Word = u32;
const cache_BLOCK = 8u;          // vec4s that are stored together
const cache_HAS_OFFSET = false;
const cache_BLOCK_WORDS = 9u;
const cache_WORDS = HEAD_DIM / 32u * cache_BLOCK_WORDS;   // words of a row
const cache_LARGEST = vec4(3e38);

// First word of the block that vec4 i of a row lies in.
fn cache_block(row: u32, i: u32) -> u32 {
  return row * cache_WORDS + i / cache_BLOCK * cache_BLOCK_WORDS;
}

// What a block's quants are multiplied by, and what is added to them.
fn cache_range(words: ptr<storage, array<cache_Word>, read>, row: u32, i: u32) -> vec2<f32> {
  return vec2(bitcast<f32>((*words)[cache_block(row, i) + cache_BLOCK]), 0.0);
}

fn cache_quants(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  return vec4<f32>(unpack4xI8((*words)[cache_block(row, i) + i % cache_BLOCK]));
}

fn cache_load(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let range = cache_range(words, row, i);
  return cache_quants(words, row, i) * range.x + range.y;
}

fn cache_store(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  block: u32,
  values: array<vec4<f32>, cache_BLOCK>,
) {
  var magnitude = vec4(0.0);
  for (var i = 0u; i < cache_BLOCK; i++) { magnitude = max(magnitude, abs(values[i])); }
  magnitude = min(magnitude, cache_LARGEST);
  let scale = max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w)) / 127.0;
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  let start = row * cache_WORDS + block * cache_BLOCK_WORDS;
  for (var i = 0u; i < cache_BLOCK; i++) {
    (*words)[start + i] = pack4xI8(vec4<i32>(round(values[i] * inverse)));
  }
  (*words)[start + cache_BLOCK] = bitcast<u32>(scale);
}
