// How much of what a query block sees is attended: blocks whose scores, which add up to 1, reach the threshold.
fn quota_of(num_visible: u32) -> u32 {
  return select(SHARE * 16384u, 0xffffffffu, SHARE == 65536u);
}

// In fixed point, so that sums do not depend on their order.
fn weight_of_block(score: f32) -> u32 {
  return u32(clamp(score, 0.0, 1.0) * 1073741824.0);
}
