// As block_rows_queries.wgsl, on processors whose subgroups are the lanes of a CPU's vector unit: 8 keys are loaded by the
// 8 lanes, one each, and broadcast from registers.
//   grid: key blocks / BLOCKS, ROWS / BLOCK, NUM_KV_HEADS
enable subgroups;
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/query_rows.wgsl"
#include "common/heads.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<storage, read_write> shifts: array<vec2<f32>>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const LANES = 8u;
const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(BLOCK)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.z;
  let row = workgroup.y * BLOCK + local_index;
  let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
  let query_end = end_of_row(row);
  let token = token_of_row(row);
  var query: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < VECTORS; i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
  }
  let end = min((workgroup.x + 1u) * BLOCKS, num_key_blocks());
  for (var block = workgroup.x * BLOCKS; block < end; block++) {
    var entry = empty_entry();
    for (var first = block * BLOCK; first < (block + 1u) * BLOCK; first += LANES) {
      let cache_row = heads[kv_head].first_row + min(first + lane, step.cache_length - 1u);
      var near = vec4(0.0);
      var far = vec4(0.0);
      for (var i = 0u; i < VECTORS; i++) {
        let q = query[i];
        let key = with_bias(key_load(&keys, cache_row, i), kv_head, first + lane, i);
        near += vec4(
          dot(q, subgroupBroadcast(key, 0u)),
          dot(q, subgroupBroadcast(key, 1u)),
          dot(q, subgroupBroadcast(key, 2u)),
          dot(q, subgroupBroadcast(key, 3u)),
        );
        far += vec4(
          dot(q, subgroupBroadcast(key, 4u)),
          dot(q, subgroupBroadcast(key, 5u)),
          dot(q, subgroupBroadcast(key, 6u)),
          dot(q, subgroupBroadcast(key, 7u)),
        );
      }
      entry = add_scores(entry, near, first + vec4(0u, 1u, 2u, 3u), query_end);
      entry = add_scores(entry, far, first + vec4(4u, 5u, 6u, 7u), query_end);
    }
    let index = row_index(kv_head, block, row);
    rows[index] = lse_of(entry);
    shifts[index] = shifts_of(entry);
  }
}
