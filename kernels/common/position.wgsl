// Which token of the document a slot holds: listed for slots that an eviction moved, counted on for those behind.
fn position_of(head: u32, slot: u32) -> u32 {
  if (slot < eviction.known_slots) { return positions[head * capacity.slots + slot]; }
  return slot - eviction.known_slots + eviction.known_tokens;
}
