// Keys and values that a query finds in 16 bits.
#include "common/tail_keys.wgsl"

fn tail_value(kv_head: u32, slot: u32, i: u32) -> vec4<f32> {
  if (slot >= step.first_slot) { return own_row(NUM_HEADS + NUM_KV_HEADS, kv_head, slot, i); }
  return rows_load(&tail_values, tail_row(kv_head, slot), i);
}
