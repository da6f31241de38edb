// As attention_prefill.wgsl, on processors whose subgroups are the lanes of a CPU's vector unit, where barriers are switches
// of context and every load is a gather: 8 keys are loaded by the 8 lanes, one each, and broadcast from registers.
//   grid: (rows_in_front + tokens * GROUP_SIZE) / ROWS, NUM_KV_HEADS
enable subgroups;
#include "common/prefill_rows.wgsl"

const LANES = 8u;

@compute @workgroup_size(ROWS)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(subgroup_invocation_id) lane: u32,
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
  for (var i = 0u; i < VECTORS; i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
    result[i] = vec4(0.0);
  }
  var row_max = LOWEST;
  var row_sum = 0.0;

  let span = span_of(rows, LANES);
  let tiles = tiles_of(kv_head, rows.first, span);
  for (var n = 0u; n < tiles.count; n++) {
    let first = tile_start(tiles, n);
    let slot = min(first + lane, span.end - 1u);
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

  if (is_own_row(rows, local_index, row)) {
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
