// Cache type q4_0: blocks of 32 values as four bits and one scale, the signed value of largest magnitude / −8; five words
// a block, the low nibbles of which are its first half. `row` is the head's first row + slot. The scale keeps 32 bits.
alias cache_Word = u32;
const cache_BLOCK = 8u;          // vec4s that are stored together
const cache_HAS_OFFSET = true;
const cache_BLOCK_WORDS = 5u;
const cache_WORDS = HEAD_DIM / 32u * cache_BLOCK_WORDS;   // words of a row

// First word of the block that vec4 i of a row lies in.
fn cache_block(row: u32, i: u32) -> u32 {
  return row * cache_WORDS + i / cache_BLOCK * cache_BLOCK_WORDS;
}

// What a block's quants are multiplied by, and what is added to them.
fn cache_range(words: ptr<storage, array<cache_Word>, read>, row: u32, i: u32) -> vec2<f32> {
  let scale = bitcast<f32>((*words)[cache_block(row, i) + 4u]);
  return vec2(scale, -8.0 * scale);
}

fn cache_quants(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let word = (*words)[cache_block(row, i) + i % 4u];
  return vec4<f32>(unpack4xU8((word >> (i & 4u)) & 0x0f0f0f0fu));
}

fn cache_load(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let range = cache_range(words, row, i);
  return cache_quants(words, row, i) * range.x + range.y;
}

fn cache_quantize(values: vec4<f32>, inverse: f32) -> u32 {
  return pack4xU8(vec4<u32>(clamp(floor(values * inverse + 8.5), vec4(0.0), vec4(15.0))));
}

fn cache_store(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  block: u32,
  values: array<vec4<f32>, cache_BLOCK>,
) {
  var largest = 0.0;
  for (var i = 0u; i < cache_BLOCK; i++) {
    for (var c = 0u; c < 4u; c++) {
      let value = clamp(values[i][c], -3e38, 3e38);
      if (abs(value) > abs(largest)) { largest = value; }
    }
  }
  let scale = largest / -8.0;
  let inverse = select(0.0, 1.0 / scale, scale != 0.0);
  let start = row * cache_WORDS + block * cache_BLOCK_WORDS;
  for (var i = 0u; i < 4u; i++) {
    let low = cache_quantize(values[i], inverse);
    let high = cache_quantize(values[i + 4u], inverse);
    (*words)[start + i] = low | (high << 4u);
  }
  (*words)[start + 4u] = bitcast<u32>(scale);
}
