// Attention of one query against the cache, split over its slots (Flash-Decoding): each workgroup takes SPLIT slots of one
// KV head, for all query heads of its GQA group, and leaves a partial result that attention_decode_merge.wgsl joins.
//   qkv [QKV_SIZE]   keys, values [rows, HEAD_DIM]
// Where the cache has a tail, the first TAIL_PARTS workgroups take it.
//   partial [parts, NUM_HEADS, HEAD_DIM]   statistics [parts, NUM_HEADS]: maximum (base 2) and sum of weights
//   grid: parts (TAIL_PARTS and splits), NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <reduce>
#include <bound>
#include <span>
#include <tail>
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

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const SLICES = WORKGROUP_SIZE / VECTORS;
const LOWEST = -1e30;
const MASKED = -3e38;
const LOG2_E = 1.4426950408889634;

var<workgroup> weights: array<f32, GROUP_SIZE * SPLIT>;
var<workgroup> slice_sums: array<vec4<f32>, SLICES * GROUP_SIZE * VECTORS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let local_index = invocation.local_index;
  let part = invocation.workgroup.x;
  let is_tail = part < TAIL_PARTS;
  let kv_head = invocation.workgroup.y;
  let cache_head = heads[kv_head].first_row;
  let seen = slots_of(heads[kv_head], step.cache_length);
  let length = span_end(seen);
  let window_start = max(SPAN_START, select(0u, seen - min(seen, WINDOW), WINDOW > 0u));
  // Of the tail's slots, or of the cache's.
  let end = select(length, tail_slots(seen), is_tail);
  let start = min(select(window_start + (part - TAIL_PARTS) * SPLIT, part * SPLIT, is_tail), end);
  let count = min(SPLIT, end - start);

  let first_query = kv_head * GROUP_SIZE * VECTORS;
  for (var j = local_index; j < count; j += WORKGROUP_SIZE) {
    var scores = array<f32, GROUP_SIZE>();
    let slot = slot_of(start + j, seen, is_tail);
    for (var i = 0u; i < bound(VECTORS); i++) {
      var key: vec4<f32>;
      if (is_tail) {
        key = tail_key(kv_head, slot, i);
      } else {
        key = key_load(&keys, cache_head + slot, i);
      }
      key = with_bias(key, kv_head, slot, i);
      for (var g = 0u; g < bound(GROUP_SIZE); g++) {
        scores[g] += dot(qkv[first_query + g * VECTORS + i], key);
      }
    }
    for (var g = 0u; g < bound(GROUP_SIZE); g++) {
      let is_seen = WINDOW == 0u || slot + WINDOW >= seen;
      weights[g * SPLIT + j] = select(MASKED, scores[g] * (SCALE * LOG2_E), is_seen);
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
      statistics[part * NUM_HEADS + kv_head * GROUP_SIZE + g] = vec2(largest, sum);
    }
  }
  workgroupBarrier();

  let slice = local_index / VECTORS;
  let column = local_index % VECTORS;
  if (slice < SLICES) {
    var sums = array<vec4<f32>, GROUP_SIZE>();
    for (var j = slice; j < count; j += SLICES) {
      let slot = slot_of(start + j, seen, is_tail);
      var value: vec4<f32>;
      if (is_tail) {
        value = tail_value(kv_head, slot, column);
      } else {
        value = value_load(&values, cache_head + slot, column);
      }
      for (var g = 0u; g < bound(GROUP_SIZE); g++) { sums[g] += weights[g * SPLIT + j] * value; }
    }
    for (var g = 0u; g < bound(GROUP_SIZE); g++) {
      slice_sums[(slice * GROUP_SIZE + g) * VECTORS + column] = sums[g];
    }
  }
  workgroupBarrier();

  let first = (part * NUM_HEADS + kv_head * GROUP_SIZE) * VECTORS;
  for (var i = local_index; i < GROUP_SIZE * VECTORS; i += WORKGROUP_SIZE) {
    var total = slice_sums[i];
    for (var s = 1u; s < SLICES; s++) { total += slice_sums[s * GROUP_SIZE * VECTORS + i]; }
    partial[first + i] = total;
  }
}

fn slot_of(n: u32, seen: u32, is_tail: bool) -> u32 {
  if (is_tail) { return tail_slot(n, seen); }
  return n;
}
