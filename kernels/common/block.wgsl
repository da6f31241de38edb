// Blocks of BLOCK slots, the unit of sparse prefill. Query blocks are the blocks that a pass's tokens lie in, so that the
// query block i and the key block i are the same slots; a pass may begin and end within one.

fn first_query_block() -> u32 {
  return step.first_slot / BLOCK;
}

fn num_query_blocks() -> u32 {
  return num_key_blocks() - first_query_block();
}

fn num_key_blocks() -> u32 {
  return (step.cache_length + BLOCK - 1u) / BLOCK;
}

// The tokens of the pass that lie in a block: first and end.
fn tokens_of_block(block: u32) -> vec2<u32> {
  let first = max(block * BLOCK, step.first_slot) - step.first_slot;
  return vec2(first, min((block + 1u) * BLOCK, step.cache_length) - step.first_slot);
}
