// Scores blocks by the pairs of a query and a key that share a bucket, over all rounds.
//   query_hashes [NUM_KV_HEADS, query blocks, COUNTERS]   key_hashes [NUM_KV_HEADS, key blocks, COUNTERS]
//   scores [NUM_KV_HEADS, query blocks, key blocks]   grid: key blocks / WORKGROUP_SIZE, query blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"

@group(0) @binding(0) var<storage, read> query_hashes: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> key_hashes: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

const VECTORS = COUNTERS / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= num_key_blocks()) { return; }
  let row = id.z * num_query_blocks() + id.y;
  let key_block = id.z * num_key_blocks() + id.x;
  var pairs = 0u;
  for (var i = 0u; i < VECTORS; i++) {
    pairs += dot(query_hashes[row * VECTORS + i], key_hashes[key_block * VECTORS + i]);
  }
  scores[row * num_key_blocks() + id.x] = f32(pairs);
}
