// As attention_decode.wgsl, on processors whose subgroups are the lanes of a CPU's vector unit: one subgroup of 8 per split,
// no barriers. A lane scores one key of 8 at a time, then sums the values of its own dimensions; the maximum moves along.
//   grid: splits, NUM_KV_HEADS
enable subgroups;
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <span>
#include <key_bias>
#include <key_cache> as key
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> values: array<value_Word>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(5) var<uniform> step: Step;
@group(0) @binding(6) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const LANES = 8u;
const VECTORS = HEAD_DIM / 4u;
const VECTORS_PER_LANE = (VECTORS + LANES - 1u) / LANES;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOWEST = -1e30;
const MASKED = -3e38;
const LOG2_E = 1.4426950408889634;

// Vectors of the group's queries, dealt out to the lanes; zero beyond the head.
alias Queries = array<vec4<f32>, GROUP_SIZE * VECTORS_PER_LANE>;
alias QuerySums = array<f32, GROUP_SIZE * VECTORS_PER_LANE>;
alias Scores = array<f32, GROUP_SIZE>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let split = workgroup.x;
  let kv_head = workgroup.y;
  let cache_head = heads[kv_head].first_row;
  let seen = slots_of(heads[kv_head], step.cache_length);
  let length = span_end(seen);
  let window_start = max(SPAN_START, select(0u, seen - min(seen, WINDOW), WINDOW > 0u));
  let start = min(window_start + split * SPLIT, length);
  let end = min(start + SPLIT, length);

  var queries = Queries();
  var query_sums = QuerySums();   // of each group of 8 vectors, for what is added to all values of a block
  var sums = Queries();
  var largest = Scores();
  var totals = Scores();
  for (var g = 0u; g < GROUP_SIZE; g++) {
    largest[g] = LOWEST;
    for (var v = 0u; v < VECTORS_PER_LANE; v++) {
      let vector = v * LANES + lane;
      if (vector < VECTORS) {
        let query = qkv[(kv_head * GROUP_SIZE + g) * VECTORS + vector];
        queries[g * VECTORS_PER_LANE + v] = query * (SCALE * LOG2_E);
      }
      if (key_HAS_OFFSET) {
        let sum = dot(queries[g * VECTORS_PER_LANE + v], vec4(1.0));
        query_sums[g * VECTORS_PER_LANE + v] = subgroupAdd(sum);
      }
    }
  }

  for (var slot = start; slot < end; slot += LANES) {
    // A lane without a key of its own repeats the last one, masked.
    let own = min(slot + lane, end - 1u);
    let row = cache_head + own;
    var scores = Scores();
    for (var v = 0u; v < VECTORS_PER_LANE; v++) {
      add_scores(&scores, &queries, &query_sums, vec4(row, v, kv_head, own));
    }
    for (var g = 0u; g < GROUP_SIZE; g++) {
      let score = select(MASKED, scores[g], slot + lane < end);
      let highest = max(largest[g], subgroupMax(score));
      let correction = exp2(largest[g] - highest);
      let weight = exp2(score - highest);
      largest[g] = highest;
      totals[g] = totals[g] * correction + weight;
      scores[g] = weight;
      for (var v = 0u; v < VECTORS_PER_LANE; v++) {
        sums[g * VECTORS_PER_LANE + v] *= correction;
      }
    }
    for (var v = 0u; v < VECTORS_PER_LANE; v++) {
      let column = min(v * LANES + lane, VECTORS - 1u);
      // Ranges by lane: each loads that of its own row, and folds it into the row's weight.
      let range = value_range(&values, row, v * LANES);
      let place = vec3(cache_head + slot, cache_head + end - 1u, column);
      add_values(&sums, ranged(scores, range), place, v);
    }
  }

  let first = split * NUM_HEADS + kv_head * GROUP_SIZE;
  for (var g = 0u; g < GROUP_SIZE; g++) {
    let total = subgroupAdd(totals[g]);
    if (lane == 0u) { statistics[first + g] = vec2(largest[g], total); }
    for (var v = 0u; v < VECTORS_PER_LANE; v++) {
      let vector = v * LANES + lane;
      if (vector < VECTORS) {
        partial[(first + g) * VECTORS + vector] = sums[g * VECTORS_PER_LANE + v];
      }
    }
  }
}

// Blocks of a cache type are of 8 vectors or more: the 8 that are scored here share one range. `place`: row, group of 8, KV head
// and slot.
fn add_scores(
  scores: ptr<function, Scores>,
  queries: ptr<function, Queries>,
  query_sums: ptr<function, QuerySums>,
  place: vec4<u32>,
) {
  let row = place.x;
  let v = place.y;
  let range = key_range(&keys, row, v * LANES);
  // Queries beyond the head are zero; their keys need only be readable.
  let first = v * LANES;
  let last = vec4(VECTORS - 1u);
  let near = min(first + vec4(0u, 1u, 2u, 3u), last);
  let far = min(first + vec4(4u, 5u, 6u, 7u), last);
  var k0 = key_quants(&keys, row, near.x);
  var k1 = key_quants(&keys, row, near.y);
  var k2 = key_quants(&keys, row, near.z);
  var k3 = key_quants(&keys, row, near.w);
  var k4 = key_quants(&keys, row, far.x);
  var k5 = key_quants(&keys, row, far.y);
  var k6 = key_quants(&keys, row, far.z);
  var k7 = key_quants(&keys, row, far.w);
  var scale = range.x;
  if (HAS_KEY_BIAS) {
    // What is added to a key is no multiple of its quants' range.
    k0 = k0 * scale + turned_bias(place.z, place.w, near.x);
    k1 = k1 * scale + turned_bias(place.z, place.w, near.y);
    k2 = k2 * scale + turned_bias(place.z, place.w, near.z);
    k3 = k3 * scale + turned_bias(place.z, place.w, near.w);
    k4 = k4 * scale + turned_bias(place.z, place.w, far.x);
    k5 = k5 * scale + turned_bias(place.z, place.w, far.y);
    k6 = k6 * scale + turned_bias(place.z, place.w, far.z);
    k7 = k7 * scale + turned_bias(place.z, place.w, far.w);
    scale = 1.0;
  }
  for (var g = 0u; g < GROUP_SIZE; g++) {
    let query = (*queries)[g * VECTORS_PER_LANE + v];
    let score = dot(subgroupBroadcast(query, 0u), k0)
      + dot(subgroupBroadcast(query, 1u), k1)
      + dot(subgroupBroadcast(query, 2u), k2)
      + dot(subgroupBroadcast(query, 3u), k3)
      + dot(subgroupBroadcast(query, 4u), k4)
      + dot(subgroupBroadcast(query, 5u), k5)
      + dot(subgroupBroadcast(query, 6u), k6)
      + dot(subgroupBroadcast(query, 7u), k7);
    (*scores)[g] += score * scale;
    if (key_HAS_OFFSET) {
      (*scores)[g] += (*query_sums)[g * VECTORS_PER_LANE + v] * range.y;
    }
  }
}

struct Weights {
  multiplied: Scores,
  added: Scores,
}

fn ranged(weights: Scores, range: vec2<f32>) -> Weights {
  var result = Weights();
  for (var g = 0u; g < GROUP_SIZE; g++) {
    result.multiplied[g] = weights[g] * range.x;
    if (value_HAS_OFFSET) { result.added[g] = subgroupAdd(weights[g] * range.y); }
  }
  return result;
}

// `place`: row of the first of 8 slots, the last row that may be read, and the column.
fn add_values(sums: ptr<function, Queries>, weights: Weights, place: vec3<u32>, v: u32) {
  let near = min(place.x + vec4(0u, 1u, 2u, 3u), place.yyyy);
  let far = min(place.x + vec4(4u, 5u, 6u, 7u), place.yyyy);
  let v0 = value_quants(&values, near.x, place.z);
  let v1 = value_quants(&values, near.y, place.z);
  let v2 = value_quants(&values, near.z, place.z);
  let v3 = value_quants(&values, near.w, place.z);
  let v4 = value_quants(&values, far.x, place.z);
  let v5 = value_quants(&values, far.y, place.z);
  let v6 = value_quants(&values, far.z, place.z);
  let v7 = value_quants(&values, far.w, place.z);
  for (var g = 0u; g < GROUP_SIZE; g++) {
    let weight = weights.multiplied[g];
    (*sums)[g * VECTORS_PER_LANE + v] += weights.added[g] + subgroupBroadcast(weight, 0u) * v0
      + subgroupBroadcast(weight, 1u) * v1
      + subgroupBroadcast(weight, 2u) * v2
      + subgroupBroadcast(weight, 3u) * v3
      + subgroupBroadcast(weight, 4u) * v4
      + subgroupBroadcast(weight, 5u) * v5
      + subgroupBroadcast(weight, 6u) * v6
      + subgroupBroadcast(weight, 7u) * v7;
  }
}
