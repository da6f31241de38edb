// Attention of many queries on matrix units, FlashAttention-2 (arXiv:2307.08691) as attention_prefill.wgsl has it: f16 × f16
// summed in f32, SIDE × SIDE × SIDE a step. Each subgroup has SIDE query rows, whose queries and results stay in its
// matrices. Its invocations share the softmax of a row, two where SIDE is 16 and subgroups have 32. Results are scaled only where a row's maximum grows by so much that
// its weights might leave f16: that takes them through workgroup memory, and is rare behind the first tiles.
//   qkv [tokens, QKV_SIZE]   keys, values [rows, HEAD_DIM]   output [tokens, NUM_HEADS * HEAD_DIM]
// Where a pass has too few rows to fill the GPU, each part of the slots has workgroups of its own, whose outputs and
// log-sum-exps attention_prefill_merge.wgsl joins: output and lse [parts, tokens, …] then.
// Across a row of results lie MATRIX_GROUPS times GROUP_MATRICES matrices, of which a group passes through the scores' place at a time.
// A tile's rows are LOADS vectors of keys and of values for each invocation; they are stored in `main`, where their place is known to
// lie within the tile: otherwise each half is clamped and stored by itself.
//   grid: (rows_in_front + tokens * GROUP_SIZE) / ROWS, NUM_KV_HEADS, parts
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "common/prefill_rows.wgsl"

alias Left = subgroup_matrix_left<f16, SIDE, SIDE>;
alias Right = subgroup_matrix_right<f16, SIDE, SIDE>;
alias Result = subgroup_matrix_result<f32, SIDE, SIDE>;

// Sum of a row that saw nothing, which makes its output 0 and its log-sum-exp LOWEST.
const NOTHING = 1e-30;
const LARGEST = vec4(65504.0);
// Weights reach 2 to this before their row's maximum is raised.
const HEADROOM = 8.0;

const SUBGROUPS = ROWS / SIDE;
const WORKGROUP = SUBGROUPS * SUBGROUP;
const SHARERS = SUBGROUP / SIDE;         // invocations that share the softmax of a row
const TILE_MATRICES = TILE / SIDE;
// Rows that lie 16 bytes apart modulo a bank's round reach distinct banks.
const STRIDE = HEAD_DIM + 8u;
const FOURS = TILE / (4u * SHARERS);    // of a tile's slots, that an invocation has of its row
const WEIGHT_STRIDE = TILE + 8u;
const SCORE_STRIDE = TILE + 8u;
// Weights take the place of the keys they come from.
const VALUES_AT = max(TILE * STRIDE, ROWS * WEIGHT_STRIDE);

// The queries pass through it first.
var<workgroup> tile: array<f16, max(VALUES_AT + TILE * STRIDE, ROWS * STRIDE)>;
var<workgroup> score_tile: array<f32, ROWS * SCORE_STRIDE>;
// Whether a row of each subgroup needs its results scaled.
var<workgroup> grown: array<u32, SUBGROUPS>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
  let kv_head = workgroup.y;
  let rows = rows_of(workgroup, num_workgroups);
  let subgroup = local_index / SUBGROUP;

  for (var i = local_index; i < ROWS * VECTORS; i += WORKGROUP) {
    let row = row_at(rows, i / VECTORS);
    let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
    let query = qkv[row / GROUP_SIZE * (QKV_SIZE / 4u) + head * VECTORS + i % VECTORS] * (SCALE * LOG2_E);
    let halves = vec4<f16>(clamp(query, -LARGEST, LARGEST));
    let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
    #repeat c 4
    tile[at + $cu] = halves[$c];
    #end
  }
  workgroupBarrier();
  #repeat d HEAD_DIM / SIDE
  let query_$d = subgroupMatrixLoad<Left, row_major>(&tile, SIDE * (subgroup * STRIDE + $du), STRIDE);
  #end
  #repeat g MATRIX_GROUPS
  #repeat j GROUP_MATRICES
  var result_$g_$j: Result;
  #end
  #end

  // This invocation's row, of which it has every SHARERS-th four columns.
  let row_in_tile = local_index / SHARERS;
  let half = local_index % SHARERS;
  let row = row_at(rows, row_in_tile);
  let token = row / GROUP_SIZE;
  let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
  let query_slot = seen_by(rows, token) - 1u;
  let seen_end = span_end(query_slot + 1u);
  var row_max = LOWEST;
  var row_sum = 0.0;

  // Every row sees the slots in front of this one, without a window.
  let common_end = span_end(seen_by(rows, first_token_of(rows)));
  let span = span_of(rows, TILE);
  let tiles = tiles_of(kv_head, rows.first, span);
  // This part's share of them.
  let share = (tiles.count + num_workgroups.z - 1u) / num_workgroups.z;
  let last_tile = min((workgroup.z + 1u) * share, tiles.count);
  for (var n = workgroup.z * share; n < last_tile; n++) {
    let tile_slot = tile_start(tiles, n);
    workgroupBarrier();
    #repeat n LOADS
    {
      let i = local_index + $nu * WORKGROUP;
      // Slots behind the end hold what an earlier pass left there; they are masked below.
      let slot = min(tile_slot + i / VECTORS, span.end - 1u);
      let cache_row = heads[kv_head].first_row + slot;
      let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
      var key = with_bias(key_load(&keys, cache_row, i % VECTORS), kv_head, slot, i % VECTORS);
      var value = value_load(&values, cache_row, i % VECTORS);
      if (!KEYS_FIT) { key = clamp(key, -LARGEST, LARGEST); }
      if (!VALUES_FIT) { value = clamp(value, -LARGEST, LARGEST); }
      let key_halves = vec4<f16>(key);
      let value_halves = vec4<f16>(value);
      #repeat c 4
      tile[at + $cu] = key_halves[$c];
      tile[VALUES_AT + at + $cu] = value_halves[$c];
      #end
    }
    #end
    workgroupBarrier();

    let own_scores = SIDE * subgroup * SCORE_STRIDE;
    for (var j = 0u; j < TILE_MATRICES; j++) {
      // Not from a variable without initialiser: Dawn leaves it what it was in the turn before.
      let first_keys = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * j * STRIDE, STRIDE);
      var scores = subgroupMatrixMultiply<f32>(query_0, first_keys);
      #repeat d 1..HEAD_DIM / SIDE
      let keys_$d = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * (j * STRIDE + $du), STRIDE);
      scores = subgroupMatrixMultiplyAccumulate(query_$d, keys_$d, scores);
      #end
      subgroupMatrixStore<row_major>(&score_tile, own_scores + SIDE * j, scores, SCORE_STRIDE);
    }
    workgroupBarrier();

    var weights: array<vec4<f32>, FOURS>;
    var four_max = vec4(MASKED);
    for (var j = 0u; j < FOURS; j++) {
      let at = row_in_tile * SCORE_STRIDE + 4u * (SHARERS * j + half);
      weights[j] = vec4(score_tile[at], score_tile[at + 1u], score_tile[at + 2u], score_tile[at + 3u]);
    }
    if (WINDOW > 0u || tile_slot + TILE > common_end) {
      for (var j = 0u; j < FOURS; j++) {
        let slots = tile_slot + 4u * (SHARERS * j + half) + vec4(0u, 1u, 2u, 3u);
        var is_seen = slots < vec4(seen_end);
        if (WINDOW > 0u) { is_seen &= slots + WINDOW > vec4(query_slot); }
        weights[j] = select(vec4(MASKED), weights[j], is_seen);
      }
    }
    for (var j = 0u; j < FOURS; j++) {
      four_max = max(four_max, weights[j]);
      observe_scores(heads[kv_head], weights[j], tile_slot + 4u * (SHARERS * j + half));
    }
    var tile_max = max(max(four_max.x, four_max.y), max(four_max.z, four_max.w));
    if (SHARERS > 1u) { tile_max = max(tile_max, subgroupShuffleXor(tile_max, 1u)); }

    var correction = 1.0;
    // Without a weight so far there is nothing to scale.
    let grows = tile_max > row_max + HEADROOM;
    let scales = grows && row_max > LOWEST;
    if (grows) {
      correction = exp2(row_max - tile_max);
      row_max = tile_max;
    }
    var four_sum = vec4(0.0);
    for (var j = 0u; j < FOURS; j++) {
      let weight = exp2(weights[j] - row_max);
      four_sum += weight;
      let halves = vec4<f16>(weight);
      let at = row_in_tile * WEIGHT_STRIDE + 4u * (SHARERS * j + half);
      #repeat c 4
      tile[at + $cu] = halves[$c];
      #end
    }
    row_sum = row_sum * correction + dot(four_sum, vec4(1.0));

    let any_scales = subgroupAny(scales);
    if (local_index % SUBGROUP == 0u) { grown[subgroup] = u32(any_scales); }
    // Its barriers also stand between weights written and read.
    let has_grown = workgroupUniformLoad(&grown);
    var grew = 0u;
    for (var i = 0u; i < SUBGROUPS; i++) { grew |= has_grown[i]; }
    if (grew != 0u) {
      #repeat g MATRIX_GROUPS
      #repeat j GROUP_MATRICES
      subgroupMatrixStore<row_major>(&score_tile, own_scores + SIDE * $ju, result_$g_$j, SCORE_STRIDE);
      #end
      workgroupBarrier();
      for (var i = half; i < SIDE * GROUP_MATRICES; i += SHARERS) {
        score_tile[row_in_tile * SCORE_STRIDE + i] *= correction;
      }
      workgroupBarrier();
      #repeat j GROUP_MATRICES
      result_$g_$j = subgroupMatrixLoad<Result, row_major>(&score_tile, own_scores + SIDE * $ju, SCORE_STRIDE);
      #end
      // The next results overwrite these.
      workgroupBarrier();
      #end
    }

    for (var j = 0u; j < TILE_MATRICES; j++) {
      let left = subgroupMatrixLoad<Left, row_major>(
        &tile, SIDE * subgroup * WEIGHT_STRIDE + SIDE * j, WEIGHT_STRIDE);
      let values_at = VALUES_AT + SIDE * j * STRIDE;
      #repeat g MATRIX_GROUPS
      #repeat j GROUP_MATRICES
      let values_$g_$j = subgroupMatrixLoad<Right, row_major>(
        &tile, values_at + SIDE * ($gu * GROUP_MATRICES + $ju), STRIDE);
      result_$g_$j = subgroupMatrixMultiplyAccumulate(left, values_$g_$j, result_$g_$j);
      #end
      #end
    }
  }

  if (SHARERS > 1u) {
    row_sum += subgroupShuffleXor(row_sum, 1u);
    observe_others(subgroupShuffleXor(observed(), 1u));
  }
  row_sum = max(row_sum, NOTHING);
  let target_row = (workgroup.z * step.num_tokens + token) * NUM_HEADS + head;
  let is_own = is_own_row(rows, row_in_tile, row);
  #repeat g MATRIX_GROUPS
  #repeat j GROUP_MATRICES
  subgroupMatrixStore<row_major>(
    &score_tile, SIDE * (subgroup * SCORE_STRIDE + $ju), result_$g_$j, SCORE_STRIDE);
  #end
  workgroupBarrier();
  if (is_own) {
    for (var i = half; i < SIDE / 4u * GROUP_MATRICES; i += SHARERS) {
      let at = row_in_tile * SCORE_STRIDE + 4u * i;
      let four = vec4(score_tile[at], score_tile[at + 1u], score_tile[at + 2u], score_tile[at + 3u]);
      output[target_row * VECTORS + SIDE / 4u * GROUP_MATRICES * $gu + i] = four / row_sum;
    }
  }
  workgroupBarrier();
  #end
  if (is_own && half == 0u) { emit_lse(target_row, row_max + log2(row_sum)); }
}
