// How much of what a query block sees is attended: a share of the blocks.
fn quota_of(num_visible: u32) -> u32 {
  return (num_visible * SHARE + 65535u) / 65536u;
}

fn weight_of_block(score: f32) -> u32 {
  return 1u;
}
