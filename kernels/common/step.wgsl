// What changes from one forward pass to the next; the uniform of every kernel that depends on it.
// A slot is an index in the cache, a position is RoPE's: they differ once tokens were evicted.
struct Step {
  num_tokens: u32,      // tokens (rows) in this pass
  first_position: u32,  // position of its first token
  first_slot: u32,      // cache slot of its first token = slots filled before the pass
  cache_length: u32,    // slots filled once the pass has stored its keys and values
}
