// Attention of one query against the cache, split over its slots (Flash-Decoding): each workgroup takes SPLIT slots of one
// KV head, for all query heads of its GQA group, and leaves a partial result that attention_decode_merge.wgsl joins.
//   qkv [QKV_SIZE]   keys, values [rows, HEAD_DIM]
//   partial [splits, NUM_HEADS, HEAD_DIM]   statistics [splits, NUM_HEADS]: maximum (base 2) and sum of weights
//   grid: splits, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <reduce>
#include <bound>
#include <span>
#include <key_cache> as key
#include <value_cache> as value

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> values: array<value_Word>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> statistics: array<vec2<f32>>;
@group(0) @binding(5) var<uniform> step: Step;
@group(0) @binding(6) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const SLICES = WORKGROUP_SIZE / VECTORS;
const LOWEST = -1e30;
const LOG2_E = 1.4426950408889634;

var<workgroup> weights: array<f32, GROUP_SIZE * SPLIT>;
var<workgroup> slice_sums: array<vec4<f32>, SLICES * GROUP_SIZE * VECTORS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let local_index = invocation.local_index;
  let split = invocation.workgroup.x;
  let kv_head = invocation.workgroup.y;
  let cache_head = heads[kv_head].first_row;
  let seen = slots_of(heads[kv_head], step.cache_length);
  let length = span_end(seen);
  let window_start = max(SPAN_START, select(0u, seen - min(seen, WINDOW), WINDOW > 0u));
  let start = min(window_start + split * SPLIT, length);
  let count = min(SPLIT, length - start);

  let first_query = kv_head * GROUP_SIZE * VECTORS;
  for (var j = local_index; j < count; j += WORKGROUP_SIZE) {
    var scores = array<f32, GROUP_SIZE>();
    for (var i = 0u; i < bound(VECTORS); i++) {
      let key = key_load(&keys, cache_head + start + j, i);
      for (var g = 0u; g < bound(GROUP_SIZE); g++) {
        scores[g] += dot(qkv[first_query + g * VECTORS + i], key);
      }
    }
    for (var g = 0u; g < bound(GROUP_SIZE); g++) {
      weights[g * SPLIT + j] = scores[g] * (SCALE * LOG2_E);
    }
  }
  workgroupBarrier();

  for (var g = 0u; g < bound(GROUP_SIZE); g++) {
    var largest = LOWEST;
    for (var j = local_index; j < count; j += WORKGROUP_SIZE) {
      largest = max(largest, weights[g * SPLIT + j]);
    }
    largest = workgroup_max(largest, invocation);
    var sum = 0.0;
    for (var j = local_index; j < count; j += WORKGROUP_SIZE) {
      let weight = exp2(weights[g * SPLIT + j] - largest);
      weights[g * SPLIT + j] = weight;
      sum += weight;
    }
    sum = workgroup_sum(sum, invocation);
    if (local_index == 0u) {
      statistics[split * NUM_HEADS + kv_head * GROUP_SIZE + g] = vec2(largest, sum);
    }
  }
  workgroupBarrier();

  let slice = local_index / VECTORS;
  let column = local_index % VECTORS;
  if (slice < SLICES) {
    var sums = array<vec4<f32>, GROUP_SIZE>();
    for (var j = slice; j < count; j += SLICES) {
      let value = value_load(&values, cache_head + start + j, column);
      for (var g = 0u; g < bound(GROUP_SIZE); g++) { sums[g] += weights[g * SPLIT + j] * value; }
    }
    for (var g = 0u; g < bound(GROUP_SIZE); g++) {
      slice_sums[(slice * GROUP_SIZE + g) * VECTORS + column] = sums[g];
    }
  }
  workgroupBarrier();

  let first = (split * NUM_HEADS + kv_head * GROUP_SIZE) * VECTORS;
  for (var i = local_index; i < GROUP_SIZE * VECTORS; i += WORKGROUP_SIZE) {
    var total = slice_sums[i];
    for (var s = 1u; s < SLICES; s++) { total += slice_sums[s * GROUP_SIZE * VECTORS + i]; }
    partial[first + i] = total;
  }
}
