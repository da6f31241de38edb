// As attention_sums.wgsl, on matrix units: f16 × f16 summed in f32, SIDE × SIDE × SIDE a step. Each subgroup has SIDE slots, whose
// keys stay in its matrices while tiles of query rows pass by; its invocations share the rows that a slot is multiplied by.
// Queries are scaled and rounded as attention_prefill_matrix.wgsl has them, so that scores fit its log-sum-exps.
//   grid: slots / SLOTS, NUM_KV_HEADS
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include "common/record.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> sample: Sample;
@group(0) @binding(6) var<uniform> heads: array<Head, NUM_KV_HEADS>;

alias Left = subgroup_matrix_left<f16, SIDE, SIDE>;
alias Right = subgroup_matrix_right<f16, SIDE, SIDE>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;
const LARGEST = vec4(65504.0);

const WORKGROUP = SLOTS / SIDE * SUBGROUP;
const SHARERS = SUBGROUP / SIDE;      // invocations that share a slot
const TILE_MATRICES = TILE / SIDE;
const FOURS = TILE / (4u * SHARERS);  // of a tile's rows, that an invocation has of its slot
// Rows that lie 16 bytes apart modulo a bank's round reach distinct banks.
const STRIDE = HEAD_DIM + 8u;
const SCORE_STRIDE = TILE + 8u;

// The keys pass through it first, then the queries.
var<workgroup> tile: array<f16, max(SLOTS, TILE) * STRIDE>;
var<workgroup> score_tile: array<f32, SLOTS * SCORE_STRIDE>;
var<workgroup> lse_tile: array<vec4<f32>, TILE / 4u>;
// Slots that a row sees: none behind the last row.
var<workgroup> end_tile: array<vec4<u32>, TILE / 4u>;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.y;
  let subgroup = local_index / SUBGROUP;
  let end_slot = slots_of(heads[kv_head], sample.end_slot);
  let first_new = slots_of(heads[kv_head], step.first_slot);
  let first_slot = from_start(heads[kv_head], sample.first_slot) + workgroup.x * SLOTS;
  for (var i = local_index; i < SLOTS * VECTORS; i += WORKGROUP) {
    let slot = min(first_slot + i / VECTORS, end_slot - 1u);
    let cache_row = heads[kv_head].first_row + slot;
    let key = with_bias(key_load(&keys, cache_row, i % VECTORS), kv_head, slot, i % VECTORS);
    let halves = vec4<f16>(clamp(key, -LARGEST, LARGEST));
    let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
    #repeat c 4
    tile[at + $cu] = halves[$c];
    #end
  }
  workgroupBarrier();
  #repeat d HEAD_DIM / SIDE
  let own_keys_$d = subgroupMatrixLoad<Left, row_major>(&tile, SIDE * (subgroup * STRIDE + $du), STRIDE);
  #end

  let slot_in_tile = local_index / SHARERS;
  let share = local_index % SHARERS;
  let slot = first_slot + slot_in_tile;
  let num_rows = sample.num_queries * GROUP_SIZE;
  var weight = 0.0;
  for (var first = first_query_of(first_slot, first_new) * GROUP_SIZE; first < num_rows; first += TILE) {
    workgroupBarrier();
    #repeat n LOADS
    {
      let i = local_index + $nu * WORKGROUP;
      let row = min(first + i / VECTORS, num_rows - 1u);
      let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
      let query = qkv[token_of(row / GROUP_SIZE) * (QKV_SIZE / 4u) + head * VECTORS + i % VECTORS];
      let halves = vec4<f16>(clamp(query * (SCALE * LOG2_E), -LARGEST, LARGEST));
      let at = i / VECTORS * STRIDE + 4u * (i % VECTORS);
      #repeat c 4
      tile[at + $cu] = halves[$c];
      #end
    }
    #end
    for (var i = local_index; i < TILE; i += WORKGROUP) {
      let row = min(first + i, num_rows - 1u);
      let token = token_of(row / GROUP_SIZE);
      lse_tile[i / 4u][i % 4u] = lse[token * NUM_HEADS + kv_head * GROUP_SIZE + row % GROUP_SIZE];
      end_tile[i / 4u][i % 4u] = select(0u, first_new + token + 1u, first + i < num_rows);
    }
    workgroupBarrier();
    for (var j = 0u; j < TILE_MATRICES; j++) {
      // Not from a variable without initialiser: Dawn leaves it what it was in the turn before.
      let first_queries = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * j * STRIDE, STRIDE);
      var scores = subgroupMatrixMultiply<f32>(own_keys_0, first_queries);
      #repeat d 1..HEAD_DIM / SIDE
      let queries_$d = subgroupMatrixLoad<Right, col_major>(&tile, SIDE * (j * STRIDE + $du), STRIDE);
      scores = subgroupMatrixMultiplyAccumulate(own_keys_$d, queries_$d, scores);
      #end
      subgroupMatrixStore<row_major>(&score_tile, SIDE * (subgroup * SCORE_STRIDE + j), scores, SCORE_STRIDE);
    }
    workgroupBarrier();
    for (var j = 0u; j < FOURS; j++) {
      let four = SHARERS * j + share;
      let at = slot_in_tile * SCORE_STRIDE + 4u * four;
      let scores = vec4(score_tile[at], score_tile[at + 1u], score_tile[at + 2u], score_tile[at + 3u]);
      // Log-sum-exps are rounded, weights never above 1.
      let all = exp2(min(vec4(0.0), scores - lse_tile[four]));
      let weights = select(vec4(0.0), all, vec4(slot) < end_tile[four]);
      weight = join(weight, join(join(weights.x, weights.y), join(weights.z, weights.w)));
    }
  }
  if (SHARERS > 1u) { weight = join(weight, subgroupShuffleXor(weight, 1u)); }
  if (share == 0u && slot < end_slot) {
    let cache_row = heads[kv_head].first_row + slot;
    let before = select(0.0, sums[cache_row], slot < from_start(heads[kv_head], sample.joined_slots));
    sums[cache_row] = join(before, weight_of_group(weight));
  }
}
