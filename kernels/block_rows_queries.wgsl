// Log-sum-exps (base 2) by key block of a pass's last queries, MInference's sample (arXiv:2407.02490), and where the diagonals
// through them lead: the query blocks beside this one meet a diagonal in the same block of offsets or in a neighbouring one.
// `shifts` are the parts of a row's weights in a block that move to the next farther and to the next nearer block of offsets.
// One invocation per row, tiles of keys pass by.
//   qkv [tokens, QKV_SIZE]   keys [rows of the cache, HEAD_DIM]   rows, shifts [NUM_KV_HEADS, key blocks, ROWS]
//   grid: key blocks / BLOCKS, ROWS / BLOCK, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/query_rows.wgsl"
#include "common/heads.wgsl"
#include <bound>
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<storage, read_write> shifts: array<vec2<f32>>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;

var<workgroup> key_tile: array<vec4<f32>, TILE * VECTORS>;

@compute @workgroup_size(BLOCK)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.z;
  let row = workgroup.y * BLOCK + local_index;
  let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
  let query_end = end_of_row(row);
  let token = token_of_row(row);
  var query: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < bound(VECTORS); i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
  }
  let end = min((workgroup.x + 1u) * BLOCKS, num_key_blocks());
  for (var block = workgroup.x * BLOCKS; block < end; block++) {
    var entry = empty_entry();
    for (var tile = 0u; tile < BLOCK; tile += TILE) {
      workgroupBarrier();
      for (var i = local_index; i < TILE * VECTORS; i += BLOCK) {
        let cache_slot = min(block * BLOCK + tile + i / VECTORS, step.cache_length - 1u);
        let key = key_load(&keys, heads[kv_head].first_row + cache_slot, i % VECTORS);
        key_tile[i] = with_bias(key, kv_head, cache_slot, i % VECTORS);
      }
      workgroupBarrier();
      for (var j = 0u; j < bound(TILE); j += 4u) {
        var scores = vec4(0.0);
        for (var i = 0u; i < bound(VECTORS); i++) {
          let q = query[i];
          scores += vec4(
            dot(q, key_tile[j * VECTORS + i]),
            dot(q, key_tile[(j + 1u) * VECTORS + i]),
            dot(q, key_tile[(j + 2u) * VECTORS + i]),
            dot(q, key_tile[(j + 3u) * VECTORS + i]),
          );
        }
        entry = add_scores(entry, scores, block * BLOCK + tile + j + vec4(0u, 1u, 2u, 3u), query_end);
      }
    }
    let index = row_index(kv_head, block, row);
    rows[index] = lse_of(entry);
    shifts[index] = shifts_of(entry);
  }
}
