// Quants of 5 bits: a block of 32 is four words of nibbles (low: weights 0 to 3 of a unit, high: 4 to 7) and one word
// of fifth bits, weight 8u + 4h + j in byte j, bit 4h + u.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<u32>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn quants_at(unit: u32) -> Unit {
  let block = 5u * (unit / 4u);
  let index = unit & 3u;
  let word = quants[block + index];
  let fifth = quants[block + 4u] >> index;
  return Unit(
    vec4<f32>(unpack4xU8((word & 0x0f0f0f0fu) | ((fifth & 0x01010101u) << 4u))),
    vec4<f32>(unpack4xU8(((word >> 4u) & 0x0f0f0f0fu) | (fifth & 0x10101010u))),
  );
}
