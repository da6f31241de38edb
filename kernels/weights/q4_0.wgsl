// Q4_0: weight = scale · (quant − 8). A unit is one word: low nibbles weights 0 to 3, high nibbles 4 to 7.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<u32>;
@group(0) @binding(SCALES_BINDING) var<storage, read> scales: array<u32>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  let word = quants[unit];
  let block = unit / 4u;
  let scale = unpack2x16float(scales[block / 2u] >> (16u * (block & 1u))).x;
  return Unit(
    scale * (vec4<f32>(unpack4xU8(word & 0x0f0f0f0fu)) - 8.0),
    scale * (vec4<f32>(unpack4xU8((word >> 4u) & 0x0f0f0f0fu)) - 8.0),
  );
}
