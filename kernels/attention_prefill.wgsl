// Attention of many queries, FlashAttention-2 (arXiv:2307.08691): tiles of keys pass by, each query row keeps its running
// maximum, sum and output. One invocation holds one query row; a workgroup's rows are the tokens and heads of one GQA
// group, so that every key loaded serves all of them. No matrix of queries by keys exists anywhere.
//   qkv [tokens, QKV_SIZE]   keys, values [rows, HEAD_DIM]   output [tokens, NUM_HEADS * HEAD_DIM]
// Which tiles a workgroup sees is the part's to say: all of them, or those of listed blocks (block-sparse FlashAttention).
// Where a pass has too few rows to fill the GPU, each part of the slots has workgroups of its own, whose outputs and
// log-sum-exps attention_prefill_merge.wgsl joins: output and lse [parts, tokens, …] then.
//   grid: (rows_in_front + tokens * GROUP_SIZE) / ROWS, NUM_KV_HEADS, parts
#include <bound>
#include "common/prefill_rows.wgsl"

// Sum of a row that saw nothing, which makes its output 0 and its log-sum-exp LOWEST.
const NOTHING = 1e-30;

var<workgroup> key_tile: array<vec4<f32>, TILE * VECTORS>;
var<workgroup> value_tile: array<vec4<f32>, TILE * VECTORS>;

@compute @workgroup_size(ROWS)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
  let kv_head = workgroup.y;
  let rows = rows_of(workgroup, num_workgroups);
  let row = row_at(rows, local_index);
  let token = row / GROUP_SIZE;
  let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
  let query_slot = seen_by(rows, token) - 1u;

  var query: array<vec4<f32>, VECTORS>;
  var result: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < bound(VECTORS); i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
    result[i] = vec4(0.0);
  }
  var row_max = LOWEST;
  var row_sum = 0.0;

  let span = span_of(rows, TILE);
  let tiles = tiles_of(kv_head, rows.first, span);
  // This part's share of them.
  let share = (tiles.count + num_workgroups.z - 1u) / num_workgroups.z;
  let last_tile = min((workgroup.z + 1u) * share, tiles.count);
  for (var n = workgroup.z * share; n < last_tile; n++) {
    let tile = tile_start(tiles, n);
    workgroupBarrier();
    for (var i = local_index; i < TILE * VECTORS; i += ROWS) {
      // Slots behind the end hold what an earlier pass left there; they are masked below.
      let slot = min(tile + i / VECTORS, span.end - 1u);
      let cache_row = heads[kv_head].first_row + slot;
      key_tile[i] = with_bias(key_load(&keys, cache_row, i % VECTORS), kv_head, slot, i % VECTORS);
      value_tile[i] = value_load(&values, cache_row, i % VECTORS);
    }
    workgroupBarrier();

    var weights: array<f32, TILE>;
    var tile_max = row_max;
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
      for (var c = 0u; c < 4u; c++) {
        let slot = tile + j + c;
        let is_seen = slot < span_end(query_slot + 1u) && (WINDOW == 0u || slot + WINDOW > query_slot);
        let score = select(MASKED, scores[c], is_seen);
        weights[j + c] = score;
        tile_max = max(tile_max, score);
      }
      let four = vec4(weights[j], weights[j + 1u], weights[j + 2u], weights[j + 3u]);
      observe_scores(heads[kv_head], four, tile + j);
    }

    let correction = exp2(row_max - tile_max);
    row_max = tile_max;
    row_sum *= correction;
    for (var j = 0u; j < bound(TILE); j++) {
      let weight = exp2(weights[j] - row_max);
      weights[j] = weight;
      row_sum += weight;
    }
    for (var i = 0u; i < bound(VECTORS); i++) {
      var sum = result[i] * correction;
      for (var j = 0u; j < bound(TILE); j++) {
        sum += weights[j] * value_tile[j * VECTORS + i];
      }
      result[i] = sum;
    }
  }

  if (is_own_row(rows, local_index, row)) {
    let target_row = (workgroup.z * step.num_tokens + token) * NUM_HEADS + head;
    row_sum = max(row_sum, NOTHING);
    for (var i = 0u; i < bound(VECTORS); i++) {
      output[target_row * VECTORS + i] = result[i] / row_sum;
    }
    emit_lse(target_row, row_max + log2(row_sum));
  }
}
