// Q4_K: weight = d · scale · quant − dmin · min. A unit is one word: low nibbles weights 0 to 3, high nibbles 4 to 7.
#include "weights/super_block_scales.wgsl"
@group(0) @binding(QUANTS_BINDING) var<storage, read> quants: array<u32>;

struct Unit {
  lo: vec4<f32>,
  hi: vec4<f32>,
}

fn weights_at(unit: u32) -> Unit {
  let word = quants[unit];
  let scale_and_min = scale_and_min_at(unit);
  return Unit(
    scale_and_min.x * vec4<f32>(unpack4xU8(word & 0x0f0f0f0fu)) - scale_and_min.y,
    scale_and_min.x * vec4<f32>(unpack4xU8((word >> 4u) & 0x0f0f0f0fu)) - scale_and_min.y,
  );
}
