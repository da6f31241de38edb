// How many tokens of a block fall into each of Reformer's hash buckets (arXiv:2001.04451): a token's bucket is the largest of
// [xR; -xR], in each of several rounds with a rotation R of its own. An invocation hashes a token.
//   rotations [HASH_ROUNDS, HASH_BUCKETS / 2, HEAD_DIM]   hashes [NUM_KV_HEADS, blocks, HASH_ROUNDS * HASH_BUCKETS]
//   grid: blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/hash_buckets.wgsl"
#include <projection>
#include <tokens>

@group(0) @binding(0) var<storage, read> rotations: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> hashes: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const COUNTERS = HASH_ROUNDS * HASH_BUCKETS;

var<workgroup> counters: array<atomic<u32>, COUNTERS>;

@compute @workgroup_size(BLOCK)
fn main(invocation: Invocation) {
  let kv_head = invocation.workgroup.y;
  let local_index = invocation.local_index;
  for (var i = local_index; i < COUNTERS; i += BLOCK) { atomicStore(&counters[i], 0u); }
  workgroupBarrier();
  for (var member = 0u; member < vectors_of_token(); member++) {
    let is_filled = is_token(invocation.workgroup.x, local_index);
    var vector: array<vec4<f32>, VECTORS>;
    for (var i = 0u; i < project_bound(VECTORS); i++) {
      vector[i] = load_token(kv_head, member, invocation.workgroup.x, local_index, i);
    }
    for (var round = 0u; round < HASH_ROUNDS; round++) {
      let products = project(&vector, round, invocation);
      let bucket = bucket_of(products);
      if (is_filled) { atomicAdd(&counters[round * HASH_BUCKETS + bucket], 1u); }
    }
  }
  workgroupBarrier();
  let first = (kv_head * num_blocks() + invocation.workgroup.x) * COUNTERS;
  for (var i = local_index; i < COUNTERS; i += BLOCK) {
    hashes[first + i] = atomicLoad(&counters[i]);
  }
}
