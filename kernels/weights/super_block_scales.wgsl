// Scales and mins of Q4_K and Q5_K: 5 words a super-block of 256, the halves d and dmin, then bytes scale and min of
// its 8 sub-blocks of 32.
@group(0) @binding(SCALES_BINDING) var<storage, read> scales: array<u32>;

// What multiplies a unit's quants, and what is subtracted then.
fn scale_and_min_at(unit: u32) -> vec2<f32> {
  let block = 5u * (unit / 32u);
  let sub_block = (unit / 4u) & 7u;
  let steps = scales[block + 1u + sub_block / 2u] >> (16u * (sub_block & 1u));
  return unpack2x16float(scales[block]) * vec2(f32(steps & 255u), f32((steps >> 8u) & 255u));
}
