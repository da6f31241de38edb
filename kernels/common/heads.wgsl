// Where the rows of a layer's KV heads lie, and how many slots each of them holds: heads may keep different numbers of tokens.
// Steps and evictions count the slots of a head without surplus; another holds more, or (negative) fewer.
struct Head {
  first_row: u32,     // row of its slot 0 in the layer's buffers
  surplus: i32,
  unused: vec2<u32>,  // elements of a uniform's array have 16 bytes
}

fn slots_of(head: Head, slots: u32) -> u32 {
  return slots + u32(head.surplus);
}
