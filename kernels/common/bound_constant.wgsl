// Ends of loops that a compiler may unroll.
fn bound(count: u32) -> u32 {
  return count;
}
