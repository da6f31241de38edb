// Q5_0: weight = scale · (quant − 16); two blocks' scales in a word.
#include "weights/five_bits.wgsl"
@group(0) @binding(SCALES_BINDING) var<storage, read> scales: array<u32>;

fn weights_at(unit: u32) -> Unit {
  let quant = quants_at(unit);
  let block = unit / 4u;
  let scale = unpack2x16float(scales[block / 2u] >> (16u * (block & 1u))).x;
  return Unit(scale * (quant.lo - 16.0), scale * (quant.hi - 16.0));
}
