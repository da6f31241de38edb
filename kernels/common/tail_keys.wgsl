// Keys that a query finds in 16 bits: in the tail, or, where they are the pass's own, in its qkv, rounded as the tail will hold
// them. So it makes no difference how tokens are cut into passes.
#include "common/tail.wgsl"
#include <tail_cache> as rows

fn own_row(first_head: u32, kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  let token = slot - step.first_slot;
  return rows_rounded(qkv[token * (QKV_SIZE / 4u) + (first_head + kv_head) * VECTORS + i]);
}

fn tail_key(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  if (slot >= step.first_slot) { return own_row(NUM_HEADS, kv_head, slot, i); }
  return rows_load(&tail_keys, tail_row(kv_head, slot), i);
}
