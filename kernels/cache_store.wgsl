// Stores a pass's keys and values behind those the cache holds; one invocation per block of the cache type.
//   qkv [tokens, QKV_SIZE]   keys, values [rows, HEAD_DIM] in their cache types
//   grid: blocks of a token's keys and values / WORKGROUP_SIZE, tokens
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <key_cache> as key
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> values: array<value_Word>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const KEYS_START = NUM_HEADS * VECTORS;
const VALUES_START = KEYS_START + NUM_KV_HEADS * VECTORS;
const KEY_BLOCKS = VECTORS / key_BLOCK;
const VALUE_BLOCKS = VECTORS / value_BLOCK;

// Row of the slot that a KV head keeps the token in.
fn row_of(head: u32, token: u32) -> u32 {
  return heads[head].first_row + slots_of(heads[head], step.first_slot) + token;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = id.y;
  let row = token * (QKV_SIZE / 4u);
  if (id.x < NUM_KV_HEADS * KEY_BLOCKS) {
    let head = id.x / KEY_BLOCKS;
    let block = id.x % KEY_BLOCKS;
    var packed: array<vec4<f32>, key_BLOCK>;
    for (var i = 0u; i < key_BLOCK; i++) {
      packed[i] = qkv[row + KEYS_START + head * VECTORS + block * key_BLOCK + i];
    }
    key_store(&keys, row_of(head, token), block, packed);
    return;
  }
  let index = id.x - NUM_KV_HEADS * KEY_BLOCKS;
  if (index < NUM_KV_HEADS * VALUE_BLOCKS) {
    let head = index / VALUE_BLOCKS;
    let block = index % VALUE_BLOCKS;
    var packed: array<vec4<f32>, value_BLOCK>;
    for (var i = 0u; i < value_BLOCK; i++) {
      packed[i] = qkv[row + VALUES_START + head * VECTORS + block * value_BLOCK + i];
    }
    value_store(&values, row_of(head, token), block, packed);
  }
}
