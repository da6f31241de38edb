// As block_rows_antidiagonal.wgsl, on processors whose subgroups are the 8 lanes of a CPU's vector unit: a subgroup holds one
// row, each lane one of its queries and the key that meets it, so that a score is one sum over the lanes. PAIR heads share
// the keys that are loaded.
//   grid: key blocks / BLOCKS, query blocks, NUM_KV_HEADS
enable subgroups;
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/heads.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;
const STRIDES = BLOCK / STRIDE;

// STRIDE and STRIDES are the number of lanes.
@compute @workgroup_size(BLOCK)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.z;
  let own_block = first_query_block() + workgroup.y;
  let row = local_index / STRIDE;
  let slot = own_block * BLOCK + row * STRIDE + STRIDE - 1u - lane;
  let is_in_pass = slot >= step.first_slot && slot < step.cache_length;
  let token = clamp(slot, step.first_slot, step.cache_length - 1u) - step.first_slot;
  let has_queries = subgroupAny(is_in_pass);
  let factor = select(0.0, SCALE * LOG2_E / f32(STRIDE), is_in_pass);
  let row_set = kv_head * num_query_blocks() + workgroup.y;
  let end = min((workgroup.x + 1u) * BLOCKS, num_key_blocks());
  for (var member = 0u; member < GROUP_SIZE; member += PAIR) {
    let first_head = kv_head * GROUP_SIZE + member;
    var query: array<vec4<f32>, VECTORS>;
    var other: array<vec4<f32>, VECTORS>;
    for (var i = 0u; i < VECTORS; i++) {
      query[i] = qkv[token * (QKV_SIZE / 4u) + first_head * VECTORS + i] * factor;
      if (PAIR == 2u) {
        other[i] = qkv[token * (QKV_SIZE / 4u) + (first_head + 1u) * VECTORS + i] * factor;
      }
    }
    for (var block = workgroup.x * BLOCKS; block < end; block++) {
      var scores = vec2(NOTHING);
      for (var column = 0u; column < STRIDES; column++) {
        let key_slot = block * BLOCK + column * STRIDE + lane;
        let cache_row = heads[kv_head].first_row + min(key_slot, step.cache_length - 1u);
        var products = vec2(0.0);
        for (var i = 0u; i < VECTORS; i++) {
          let key = with_bias(key_load(&keys, cache_row, i), kv_head, key_slot, i);
          products.x += dot(query[i], key);
          if (PAIR == 2u) { products.y += dot(other[i], key); }
        }
        let score = subgroupAdd(select(vec2(0.0), products, key_slot < step.cache_length));
        let is_seen = has_queries && block * STRIDES + column <= own_block * STRIDES + row;
        scores = select(scores, score, lane == column && is_seen);
      }
      let largest = subgroupMax(scores);
      let sum = subgroupAdd(exp2(scores - largest));
      let entry = select(largest + log2(sum), vec2(NOTHING), largest == vec2(NOTHING));
      if (lane < PAIR) {
        rows[row_index(row_set, block, (member + lane) * STRIDES + row)] = entry[lane];
      }
    }
  }
}
