// Stores the groups of keys that a pass completed, for cache types that hold a group's channels together: what came before the
// pass is in the tail. One invocation per four channels of a group.
//   qkv [tokens, QKV_SIZE]   tail_keys [NUM_KV_HEADS, TAIL_SLOTS, HEAD_DIM]   keys [rows, HEAD_DIM]
//   grid: HEAD_DIM / 4 / WORKGROUP_SIZE, groups that the pass may complete, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include "common/tail_keys.wgsl"
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> tail_keys: array<rows_Word>;
@group(0) @binding(2) var<storage, read_write> keys: array<key_Word>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let first_slot = (step.first_slot / key_GROUP + id.y) * key_GROUP;
  if (id.x >= VECTORS || first_slot + key_GROUP > step.cache_length) { return; }
  var values: array<vec4<f32>, key_GROUP>;
  for (var t = 0u; t < key_GROUP; t++) {
    values[t] = tail_key(id.z, first_slot + t, id.x);
  }
  let sinks = max(TAIL_SINKS, first_slot) - first_slot;
  key_store_group(&keys, heads[id.z].first_row + first_slot, id.x, sinks, &values);
}
