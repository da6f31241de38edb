// Slots that an eviction leaves whatever their scores.
fn length_of(head: u32) -> u32 {
  return slots_of(heads[head], eviction.length);
}

fn is_protected(slot: u32, length: u32) -> bool {
  return slot < eviction.sinks || slot + eviction.recent >= length;
}
