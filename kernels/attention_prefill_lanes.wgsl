// As attention_prefill.wgsl, on processors whose subgroups are the lanes of a CPU's vector unit, where barriers are switches
// of context and every load is a gather: 8 keys are loaded by the 8 lanes, one each, and broadcast from registers.
//   grid: (rows_in_front + tokens * GROUP_SIZE) / ROWS, NUM_KV_HEADS
enable subgroups;
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <blocks>
#include <span>
#include <row_lse>
#include <key_bias>
#include <key_cache> as key
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> values: array<value_Word>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const LANES = 8u;
const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOWEST = -1e30;
const MASKED = -3e38;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(ROWS)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) num_workgroups: vec3<u32>,
) {
  // The last rows see the most keys: they go first, so that no core is left working alone at the end.
  let first_row = (num_workgroups.x - 1u - workgroup.x) * ROWS;
  let kv_head = workgroup.y;
  let num_rows = step.num_tokens * GROUP_SIZE;
  let front = rows_in_front();
  let row = clamp(first_row + local_index, front, front + num_rows - 1u) - front;
  let token = row / GROUP_SIZE;
  let head = kv_head * GROUP_SIZE + row % GROUP_SIZE;
  let first_slot = slots_of(heads[kv_head], step.first_slot);
  let length = slots_of(heads[kv_head], step.cache_length);
  // Where slots are no part of the pass's own, every query sees all of them.
  let query_slot = select(length - 1u, first_slot + token, IS_CAUSAL);

  var query: array<vec4<f32>, VECTORS>;
  var result: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < VECTORS; i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
    result[i] = vec4(0.0);
  }
  var row_max = LOWEST;
  var row_sum = 0.0;

  let first_token = (max(first_row, front) - front) / GROUP_SIZE;
  let last_token = min((first_row + ROWS - 1u - front) / GROUP_SIZE, step.num_tokens - 1u);
  let end = span_end(select(length, first_slot + last_token + 1u, IS_CAUSAL));
  var start = SPAN_START;
  if (WINDOW > 0u) {
    start = first_slot + first_token + 1u;
    start = select(0u, (start - WINDOW) / LANES * LANES, start > WINDOW);
    start = clamp(start, SPAN_START, end);
  }

  let tiles = tiles_of(kv_head, first_row, Span(start, end, LANES));
  for (var n = 0u; n < tiles.count; n++) {
    let first = tile_start(tiles, n);
    let slot = min(first + lane, end - 1u);
    let cache_row = heads[kv_head].first_row + slot;
    var near = vec4(0.0);
    var far = vec4(0.0);
    for (var i = 0u; i < VECTORS; i++) {
      let q = query[i];
      let key = with_bias(key_load(&keys, cache_row, i), kv_head, slot, i);
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
    near = masked(near, first + vec4(0u, 1u, 2u, 3u), query_slot);
    far = masked(far, first + vec4(4u, 5u, 6u, 7u), query_slot);
    observe_scores(heads[kv_head], near, first);
    observe_scores(heads[kv_head], far, first + 4u);

    let highest = max(near, far);
    let tile_max = max(row_max, max(max(highest.x, highest.y), max(highest.z, highest.w)));
    let correction = exp2(row_max - tile_max);
    row_max = tile_max;
    near = exp2(near - tile_max);
    far = exp2(far - tile_max);
    row_sum = row_sum * correction + dot(near + far, vec4(1.0));
    for (var i = 0u; i < VECTORS; i++) {
      let value = value_load(&values, cache_row, i);
      result[i] = result[i] * correction
        + near.x * subgroupBroadcast(value, 0u)
        + near.y * subgroupBroadcast(value, 1u)
        + near.z * subgroupBroadcast(value, 2u)
        + near.w * subgroupBroadcast(value, 3u)
        + far.x * subgroupBroadcast(value, 4u)
        + far.y * subgroupBroadcast(value, 5u)
        + far.z * subgroupBroadcast(value, 6u)
        + far.w * subgroupBroadcast(value, 7u);
    }
  }

  if (first_row + local_index == front + row) {
    let target_row = token * NUM_HEADS + head;
    for (var i = 0u; i < VECTORS; i++) {
      output[target_row * VECTORS + i] = result[i] / row_sum;
    }
    emit_lse(target_row, row_max + log2(row_sum));
  }
}

fn masked(scores: vec4<f32>, slots: vec4<u32>, query_slot: u32) -> vec4<f32> {
  var seen = slots < vec4(span_end(query_slot + 1u));
  if (WINDOW > 0u) { seen &= slots + WINDOW > vec4(query_slot); }
  return select(vec4(MASKED), scores, seen);
}
