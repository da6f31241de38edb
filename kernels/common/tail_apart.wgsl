// No workgroup of decoding attends to a tail: the cache has none, or attention_tail.wgsl does so behind.
const TAIL_PARTS = 0u;

fn tail_slots(seen: u32) -> u32 {
  return 0u;
}

fn tail_slot(n: u32, seen: u32) -> u32 {
  return 0u;
}

fn tail_key(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  return vec4(0.0);
}

fn tail_value(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  return vec4(0.0);
}
