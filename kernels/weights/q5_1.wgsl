// Q5_1: weight = scale · quant + min.
#include "weights/five_bits.wgsl"
@group(0) @binding(SCALES_BINDING) var<storage, read> scales: array<u32>;

fn weights_at(unit: u32) -> Unit {
  let quant = quants_at(unit);
  let scale_and_min = unpack2x16float(scales[unit / 4u]);
  return Unit(
    scale_and_min.x * quant.lo + scale_and_min.y,
    scale_and_min.x * quant.hi + scale_and_min.y,
  );
}
