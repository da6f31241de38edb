// The mean of each block's keys. One invocation per vec4.
//   keys [rows, HEAD_DIM]   means [NUM_KV_HEADS, key blocks, HEAD_DIM]
//   grid: key blocks * VECTORS / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/heads.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> keys: array<key_Word>;
@group(0) @binding(1) var<storage, read_write> means: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> step: Step;
@group(0) @binding(3) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let block = id.x / VECTORS;
  if (block >= num_key_blocks()) { return; }
  let first = block * BLOCK;
  let end = min(first + BLOCK, step.cache_length);
  var sum = vec4(0.0);
  for (var slot = first; slot < end; slot++) {
    let key = key_load(&keys, heads[id.y].first_row + slot, id.x % VECTORS);
    sum += with_bias(key, id.y, slot, id.x % VECTORS);
  }
  means[id.y * num_key_blocks() * VECTORS + id.x] = sum / f32(end - first);
}
