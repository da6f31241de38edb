// Ends of loops that a compiler cannot foresee, and so does not unroll. A pass has at least one token.
fn bound(count: u32) -> u32 {
  return min(count, count * step.num_tokens);
}
