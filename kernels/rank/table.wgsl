// Ranks of the keys a head keeps and those recalled behind them, by their places in the document: [NUM_KV_HEADS, slots], all
// heads of a layer holding the same number.
@group(0) @binding(5) var<storage, read> ranks: array<u32>;

fn rank_of(head: u32, slot: u32) -> u32 {
  return ranks[head * slots_of(heads[head], step.cache_length) + slot];
}
