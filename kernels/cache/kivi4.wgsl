// Cache type kivi4, KIVI's keys (arXiv:2402.02750): groups of 32 tokens, each channel as four bits between its smallest and
// largest in the group. A channel's quants are four words of eight tokens, the first token in the lowest bits; behind the
// words of all channels come step and minimum of each in 16 bits. A group is stored as a whole, once all of its tokens are
// there; until then they are in the tail (common/tail.wgsl). `row` is that of a slot, groups begin at multiples of 32.
alias cache_Word = vec4<u32>;    // one word of four channels
const cache_BLOCK = 8u;          // vec4s: a head has whole ones
const cache_HAS_OFFSET = false;
const cache_GROUP = 32u;         // tokens
const cache_VECTORS = HEAD_DIM / 4u;
const cache_GROUP_WORDS = 5u * cache_VECTORS;
const cache_LARGEST = vec4(65504.0);
const cache_SMALLEST = vec4(6.103515625e-5);   // halves below may read as 0

fn cache_load(
  words: ptr<storage, array<cache_Word>, read>,
  row: u32,
  i: u32,
) -> vec4<f32> {
  let group = row / cache_GROUP * cache_GROUP_WORDS;
  let token = row % cache_GROUP;
  let quants = (*words)[group + token / 8u * cache_VECTORS + i] >> vec4(token % 8u * 4u);
  let ranges = (*words)[group + 4u * cache_VECTORS + i];
  let x = unpack2x16float(ranges.x);
  let y = unpack2x16float(ranges.y);
  let z = unpack2x16float(ranges.z);
  let w = unpack2x16float(ranges.w);
  return vec4<f32>(quants & vec4(15u)) * vec4(x.x, y.x, z.x, w.x) + vec4(x.y, y.y, z.y, w.y);
}

// Ranges differ from channel to channel: none is shared by a block.
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

// A token alone is not stored.
fn cache_store(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  block: u32,
  values: array<vec4<f32>, cache_BLOCK>,
) {}

// Stores four channels of the group that begins at `row`; tokens below `first` are never read and do not widen the ranges.
fn cache_store_group(
  words: ptr<storage, array<cache_Word>, read_write>,
  row: u32,
  i: u32,
  first: u32,
  values: ptr<function, array<vec4<f32>, cache_GROUP>>,
) {
  var low = cache_LARGEST;
  var high = -cache_LARGEST;
  for (var t = first; t < cache_GROUP; t++) {
    let value = clamp((*values)[t], -cache_LARGEST, cache_LARGEST);
    low = min(low, value);
    high = max(high, value);
  }
  let minimum = quantizeToF16(select(low, vec4(0.0), abs(low) < cache_SMALLEST));
  let step_size = quantizeToF16(max((high - low) / 15.0, cache_SMALLEST));
  let inverse = 1.0 / step_size;
  let group = row / cache_GROUP * cache_GROUP_WORDS;
  for (var word = 0u; word < 4u; word++) {
    var packed = vec4(0u);
    for (var t = 0u; t < 8u; t++) {
      let scaled = round(((*values)[word * 8u + t] - minimum) * inverse);
      packed |= vec4<u32>(clamp(scaled, vec4(0.0), vec4(15.0))) << vec4(4u * t);
    }
    (*words)[group + word * cache_VECTORS + i] = packed;
  }
  (*words)[group + 4u * cache_VECTORS + i] = vec4(
    pack2x16float(vec2(step_size.x, minimum.x)),
    pack2x16float(vec2(step_size.y, minimum.y)),
    pack2x16float(vec2(step_size.z, minimum.z)),
    pack2x16float(vec2(step_size.w, minimum.w)),
  );
}
