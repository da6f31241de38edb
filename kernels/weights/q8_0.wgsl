// Q8_0: weight = scale · quant. A block of 32: eight words of four signed bytes; its scale is half a word.
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<vec2<u32>>;
@group(0) @binding(SCALES_BINDING) var<storage, read> scales: array<u32>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  let words = quants[unit];
  let block = unit / 4u;
  let scale = unpack2x16float(scales[block / 2u] >> (16u * (block & 1u))).x;
  return Unit(
    scale * vec4<f32>(unpack4xI8(words.x)),
    scale * vec4<f32>(unpack4xI8(words.y)),
  );
}
