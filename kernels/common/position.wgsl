// Which token of the document a slot holds: listed for slots that an eviction moved; those behind hold the last tokens read.
fn position_of(head: u32, slot: u32) -> u32 {
  let behind = slots_of(heads[head], eviction.length) - slot;
  if (behind > eviction.tokens_read - eviction.listed_tokens) {
    return positions[heads[head].first_row + slot];
  }
  return eviction.tokens_read - behind;
}
