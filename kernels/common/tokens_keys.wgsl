// Tokens as their cached keys: block by block over the whole cache.
#include "common/heads.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(3) var<storage, read> keys: array<key_Word>;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

fn num_blocks() -> u32 {
  return num_key_blocks();
}

fn vectors_of_token() -> u32 {
  return 1u;
}

fn is_token(block: u32, i: u32) -> bool {
  return block * BLOCK + i < step.cache_length;
}

fn load_token(kv_head: u32, member: u32, block: u32, i: u32, vector: u32) -> vec4<f32> {
  let slot = min(block * BLOCK + i, step.cache_length - 1u);
  return with_bias(key_load(&keys, heads[kv_head].first_row + slot, vector), kv_head, slot, vector);
}
