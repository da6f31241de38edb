// As attention_sums.wgsl, on processors whose subgroups are the lanes of a CPU's vector unit: a lane holds the keys of two
// slots, 8 query rows are loaded by the 8 lanes, one each, and broadcast from registers.
//   grid: slots / (2 * WORKGROUP_SIZE), NUM_KV_HEADS
enable subgroups;
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

const LANES = 8u;
const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let kv_head = workgroup.y;
  let end_slot = slots_of(heads[kv_head], sample.end_slot);
  let first_new = slots_of(heads[kv_head], step.first_slot);
  let first_slot = from_start(heads[kv_head], sample.first_slot) + workgroup.x * 2u * WORKGROUP_SIZE;
  let slots = first_slot + local_index + vec2(0u, WORKGROUP_SIZE);
  let held = min(slots, vec2(end_slot - 1u));
  let rows = heads[kv_head].first_row + held;
  var near_key: array<vec4<f32>, VECTORS>;
  var far_key: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < VECTORS; i++) {
    let near = with_bias(key_load(&keys, rows.x, i), kv_head, held.x, i);
    let far = with_bias(key_load(&keys, rows.y, i), kv_head, held.y, i);
    near_key[i] = near * (SCALE * LOG2_E);
    far_key[i] = far * (SCALE * LOG2_E);
  }
  let num_rows = sample.num_queries * GROUP_SIZE;
  var weight = vec2(0.0);
  for (var first = first_query_of(first_slot, first_new) * GROUP_SIZE; first < num_rows; first += LANES) {
    let row = min(first + lane, num_rows - 1u);
    let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
    let token = token_of(row / GROUP_SIZE);
    let row_lse = lse[token * NUM_HEADS + head];
    // Slots behind a row's own are not seen; rows behind the last see none.
    let row_end = select(0u, first_new + token + 1u, first + lane < num_rows);
    var near_a = vec4(0.0);
    var near_b = vec4(0.0);
    var far_a = vec4(0.0);
    var far_b = vec4(0.0);
    for (var i = 0u; i < VECTORS; i++) {
      let near = near_key[i];
      let far = far_key[i];
      let query = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i];
      let q0 = subgroupBroadcast(query, 0u);
      let q1 = subgroupBroadcast(query, 1u);
      let q2 = subgroupBroadcast(query, 2u);
      let q3 = subgroupBroadcast(query, 3u);
      near_a += vec4(dot(near, q0), dot(near, q1), dot(near, q2), dot(near, q3));
      far_a += vec4(dot(far, q0), dot(far, q1), dot(far, q2), dot(far, q3));
      let q4 = subgroupBroadcast(query, 4u);
      let q5 = subgroupBroadcast(query, 5u);
      let q6 = subgroupBroadcast(query, 6u);
      let q7 = subgroupBroadcast(query, 7u);
      near_b += vec4(dot(near, q4), dot(near, q5), dot(near, q6), dot(near, q7));
      far_b += vec4(dot(far, q4), dot(far, q5), dot(far, q6), dot(far, q7));
    }
    let lse_a = vec4(
      subgroupBroadcast(row_lse, 0u),
      subgroupBroadcast(row_lse, 1u),
      subgroupBroadcast(row_lse, 2u),
      subgroupBroadcast(row_lse, 3u),
    );
    let lse_b = vec4(
      subgroupBroadcast(row_lse, 4u),
      subgroupBroadcast(row_lse, 5u),
      subgroupBroadcast(row_lse, 6u),
      subgroupBroadcast(row_lse, 7u),
    );
    let end_a = vec4(
      subgroupBroadcast(row_end, 0u),
      subgroupBroadcast(row_end, 1u),
      subgroupBroadcast(row_end, 2u),
      subgroupBroadcast(row_end, 3u),
    );
    let end_b = vec4(
      subgroupBroadcast(row_end, 4u),
      subgroupBroadcast(row_end, 5u),
      subgroupBroadcast(row_end, 6u),
      subgroupBroadcast(row_end, 7u),
    );
    weight.x = join(weight.x, weight_of(near_a - lse_a, slots.x, end_a));
    weight.x = join(weight.x, weight_of(near_b - lse_b, slots.x, end_b));
    weight.y = join(weight.y, weight_of(far_a - lse_a, slots.y, end_a));
    weight.y = join(weight.y, weight_of(far_b - lse_b, slots.y, end_b));
  }
  for (var i = 0u; i < 2u; i++) {
    if (slots[i] < end_slot) {
      let before = select(0.0, sums[rows[i]], slots[i] < from_start(heads[kv_head], sample.joined_slots));
      sums[rows[i]] = join(before, weight_of_group(weight[i]));
    }
  }
}

// The joined weight of a slot in four rows; log-sum-exps are rounded, weights never above 1.
fn weight_of(scores: vec4<f32>, slot: u32, ends: vec4<u32>) -> f32 {
  let weights = select(vec4(0.0), exp2(min(vec4(0.0), scores)), vec4(slot) < ends);
  return join(join(weights.x, weights.y), join(weights.z, weights.w));
}
