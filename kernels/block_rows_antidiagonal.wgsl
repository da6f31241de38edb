// XAttention's antidiagonals (arXiv:2503.16428): STRIDE queries in reversed order and STRIDE keys make one score, the sum
// along an antidiagonal, and a row of scores ends at its own. A workgroup holds the rows of a query block, an invocation one
// row by one column of the key block that passes by; heads follow each other.
//   qkv [tokens, QKV_SIZE]   keys [rows of the cache, HEAD_DIM]   rows [NUM_KV_HEADS * query blocks, key blocks, ROWS]
//   grid: key blocks / BLOCKS, query blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include "common/block_rows.wgsl"
#include "common/heads.wgsl"
#include <bound>
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
const STRIDES = BLOCK / STRIDE;              // rows and columns of a block
const CELLS = STRIDES * STRIDES;

var<workgroup> query_tile: array<vec4<f32>, BLOCK>;
var<workgroup> key_tile: array<vec4<f32>, BLOCK>;
var<workgroup> scores: array<f32, CELLS>;

// One vec4 of each query of the block, 0 where the pass has no such token.
fn load_queries(head: u32, own_block: u32, i: u32, local_index: u32) {
  for (var q = local_index; q < BLOCK; q += CELLS) {
    let slot = own_block * BLOCK + q;
    let is_in_pass = slot >= step.first_slot && slot < step.cache_length;
    let token = clamp(slot, step.first_slot, step.cache_length - 1u) - step.first_slot;
    let query = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i];
    query_tile[q] = select(vec4(0.0), query, is_in_pass);
  }
}

fn load_keys(kv_head: u32, block: u32, i: u32, local_index: u32) {
  for (var k = local_index; k < BLOCK; k += CELLS) {
    let slot = block * BLOCK + k;
    let row = heads[kv_head].first_row + min(slot, step.cache_length - 1u);
    let key = with_bias(key_load(&keys, row, i), kv_head, slot, i);
    key_tile[k] = select(vec4(0.0), key, slot < step.cache_length);
  }
}

@compute @workgroup_size(CELLS)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.z;
  let own_block = first_query_block() + workgroup.y;
  let row = local_index / STRIDES;
  let column = local_index % STRIDES;
  let first_row_slot = own_block * BLOCK + row * STRIDE;
  let has_queries = first_row_slot + STRIDE > step.first_slot && first_row_slot < step.cache_length;
  let end = min((workgroup.x + 1u) * BLOCKS, num_key_blocks());
  for (var block = workgroup.x * BLOCKS; block < end; block++) {
    for (var member = 0u; member < GROUP_SIZE; member++) {
      var score = 0.0;
      for (var i = 0u; i < bound(VECTORS); i++) {
        workgroupBarrier();
        load_queries(kv_head * GROUP_SIZE + member, own_block, i, local_index);
        load_keys(kv_head, block, i, local_index);
        workgroupBarrier();
        for (var s = 0u; s < STRIDE; s++) {
          let query = query_tile[row * STRIDE + STRIDE - 1u - s];
          score += dot(query, key_tile[column * STRIDE + s]);
        }
      }
      let is_seen = has_queries && block * STRIDES + column <= own_block * STRIDES + row;
      scores[local_index] = select(NOTHING, score * (SCALE * LOG2_E / f32(STRIDE)), is_seen);
      workgroupBarrier();
      if (column == 0u) {
        var largest = NOTHING;
        for (var c = 0u; c < STRIDES; c++) { largest = max(largest, scores[local_index + c]); }
        var sum = 0.0;
        for (var c = 0u; c < STRIDES; c++) { sum += exp2(scores[local_index + c] - largest); }
        rows[row_index(kv_head * num_query_blocks() + workgroup.y, block, member * STRIDES + row)] =
          select(largest + log2(sum), NOTHING, largest == NOTHING);
      }
    }
  }
}
