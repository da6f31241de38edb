// Q5_K: weight = d · scale · quant − dmin · min.
#include "weights/five_bits.wgsl"
#include "weights/super_block_scales.wgsl"

fn weights_at(unit: u32) -> Unit {
  let quant = quants_at(unit);
  let scale_and_min = scale_and_min_at(unit);
  return Unit(
    scale_and_min.x * quant.lo - scale_and_min.y,
    scale_and_min.x * quant.hi - scale_and_min.y,
  );
}
