// Column sums of the softmax, H2O's statistic (arXiv:2306.14048): sums[k] += mean over the GQA group of Σ_q 2^(s_qk − lse_q)
// over the sampled queries q that see slot k; attention left the log-sum-exps. TAKES_MAXIMUM: the maximum over queries and
// group instead, KVzip's (arXiv:2505.23416). One invocation per slot, tiles of query rows pass by.
//   qkv [tokens, QKV_SIZE]   keys [rows, HEAD_DIM]   lse [tokens, NUM_HEADS]
//   sums [rows]   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include "common/record.wgsl"
#include <bound>
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> sample: Sample;
@group(0) @binding(6) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;

var<workgroup> query_tile: array<vec4<f32>, TILE * VECTORS>;
var<workgroup> lse_tile: array<f32, TILE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.y;
  let end_slot = slots_of(heads[kv_head], sample.end_slot);
  let first_new = slots_of(heads[kv_head], step.first_slot);
  let first_slot = from_start(heads[kv_head], sample.first_slot) + workgroup.x * WORKGROUP_SIZE;
  let slot = min(first_slot + local_index, end_slot - 1u);
  let cache_row = heads[kv_head].first_row + slot;
  var key: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < bound(VECTORS); i++) {
    key[i] = with_bias(key_load(&keys, cache_row, i), kv_head, slot, i) * (SCALE * LOG2_E);
  }
  let num_rows = sample.num_queries * GROUP_SIZE;
  var weight = 0.0;
  for (var tile = first_query_of(first_slot, first_new) * GROUP_SIZE; tile < num_rows; tile += TILE) {
    workgroupBarrier();
    for (var i = local_index; i < TILE * VECTORS; i += WORKGROUP_SIZE) {
      let row = min(tile + i / VECTORS, num_rows - 1u);
      let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
      let token = token_of(row / GROUP_SIZE);
      query_tile[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i % VECTORS];
      if (i % VECTORS == 0u) { lse_tile[i / VECTORS] = lse[token * NUM_HEADS + head]; }
    }
    workgroupBarrier();
    for (var j = 0u; j < bound(TILE); j++) {
      var score = 0.0;
      for (var i = 0u; i < bound(VECTORS); i++) {
        score += dot(query_tile[j * VECTORS + i], key[i]);
      }
      let row = tile + j;
      let is_seen = row < num_rows && slot <= first_new + token_of(row / GROUP_SIZE);
      weight = join(weight, select(0.0, exp2(min(0.0, score - lse_tile[j])), is_seen));
    }
  }
  if (first_slot + local_index < end_slot) {
    let before = select(0.0, sums[cache_row], slot < from_start(heads[kv_head], sample.joined_slots));
    sums[cache_row] = join(before, weight_of_group(weight));
  }
}
