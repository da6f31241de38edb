// Cache type flexgen4, FlexGen's group-wise quantisation (arXiv:2303.06865): 64 values of a head as four bits between their
// smallest and largest; eight words of nibbles, even values in the high ones, and a word with step and minimum in 16 bits.
// FlexGen keeps 1 / step, which overflows 16 bits where values lie close. `row` is the head's first row + slot.
alias cache_Word = u32;
const cache_BLOCK = 16u;         // vec4s that are stored together
const cache_HAS_OFFSET = true;
const cache_BLOCK_WORDS = 9u;
const cache_WORDS = HEAD_DIM / 64u * cache_BLOCK_WORDS;   // words of a row
const cache_LARGEST = vec4(65504.0);
const cache_SMALLEST = 6.103515625e-5;   // halves below may read as 0

// First word of the block that vec4 i of a row lies in.
fn cache_block(row: u32, i: u32) -> u32 {
  return row * cache_WORDS + i / cache_BLOCK * cache_BLOCK_WORDS;
}

// What a block's quants are multiplied by, and what is added to them.
fn cache_range(words: ptr<storage, array<cache_Word>, read>, row: u32, i: u32) -> vec2<f32> {
  return unpack2x16float((*words)[cache_block(row, i) + 8u]);
}

fn cache_quants(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let pairs = (*words)[cache_block(row, i) + i % cache_BLOCK / 2u] >> (i % 2u * 16u);
  return vec4<f32>((vec4(pairs) >> vec4(4u, 0u, 12u, 8u)) & vec4(15u));
}

fn cache_load(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let range = cache_range(words, row, i);
  return cache_quants(words, row, i) * range.x + range.y;
}

// The nibbles of four values in their two bytes.
fn cache_quantize(values: vec4<f32>, range: vec2<f32>, inverse: f32) -> u32 {
  let quants = vec4<u32>(clamp(round((values - range.y) * inverse), vec4(0.0), vec4(15.0)));
  return dot(quants, vec4(16u, 1u, 4096u, 256u));
}

fn cache_store(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  block: u32,
  values: array<vec4<f32>, cache_BLOCK>,
) {
  var smallest = cache_LARGEST;
  var largest = -cache_LARGEST;
  for (var i = 0u; i < cache_BLOCK; i++) {
    let value = clamp(values[i], -cache_LARGEST, cache_LARGEST);
    smallest = min(smallest, value);
    largest = max(largest, value);
  }
  let low = min(min(smallest.x, smallest.y), min(smallest.z, smallest.w));
  let high = max(max(largest.x, largest.y), max(largest.z, largest.w));
  let minimum = select(low, 0.0, abs(low) < cache_SMALLEST);
  let range = quantizeToF16(vec2(max((high - low) / 15.0, cache_SMALLEST), minimum));
  let inverse = 1.0 / range.x;
  let start = row * cache_WORDS + block * cache_BLOCK_WORDS;
  for (var i = 0u; i < 8u; i++) {
    let near = cache_quantize(values[2u * i], range, inverse);
    let far = cache_quantize(values[2u * i + 1u], range, inverse);
    (*words)[start + i] = near | (far << 16u);
  }
  (*words)[start + 8u] = pack2x16float(range);
}
