// As bound_opaque.wgsl, by a question's uniform. A question has at least one token.
fn bound(count: u32) -> u32 {
  return min(count, count * question.num_tokens);
}
