// Q6_K: weight = d · scale · (quant − 32). A block of 32 is four words of nibbles and two of upper bits: weight
// 8u + 4h + j of each 16 in byte j, bits 4u + 2h and 4u + 2h + 1. Scales: 5 words a super-block of 256, the half d,
// then a signed byte for each 16 weights.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<u32>;
@group(0) @binding(SCALES_BINDING) var<storage, read> scales: array<u32>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  let block = 6u * (unit / 4u);
  let index = unit & 3u;
  let word = quants[block + index];
  let upper = quants[block + 4u + index / 2u] >> (4u * (index & 1u));
  let scale = scale_at(unit);
  return Unit(
    scale * (six_bits(word, upper) - 32.0),
    scale * (six_bits(word >> 4u, upper >> 2u) - 32.0),
  );
}

fn six_bits(nibbles: u32, upper: u32) -> vec4<f32> {
  return vec4<f32>(unpack4xU8((nibbles & 0x0f0f0f0fu) | ((upper & 0x03030303u) << 4u)));
}

fn scale_at(unit: u32) -> f32 {
  let block = 5u * (unit / 32u);
  let sub_block = (unit / 2u) & 15u;
  let bytes = unpack4xI8(scales[block + 1u + sub_block / 4u] >> (8u * (sub_block & 3u)));
  return unpack2x16float(scales[block]).x * f32(bytes.x);
}
