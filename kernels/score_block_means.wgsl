// Scores blocks by their means: the softmax of a query block's mean query over the key blocks' mean keys, averaged over the
// GQA group. One workgroup per query block and KV head; scores of a row add up to 1.
//   qkv [tokens, QKV_SIZE]   means [NUM_KV_HEADS, key blocks, HEAD_DIM]   scores [NUM_KV_HEADS, query blocks, key blocks]
//   grid: query blocks, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/block.wgsl"
#include <reduce>
#include <bound>

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> means: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOWEST = -1e30;
const LOG2_E = 1.4426950408889634;

var<workgroup> mean_query: array<vec4<f32>, VECTORS>;

// Base 2.
fn score_of(kv_head: u32, block: u32) -> f32 {
  let row = (kv_head * num_key_blocks() + block) * VECTORS;
  var score = 0.0;
  for (var i = 0u; i < bound(VECTORS); i++) { score += dot(mean_query[i], means[row + i]); }
  return score;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let kv_head = invocation.workgroup.y;
  let own_block = first_query_block() + invocation.workgroup.x;
  let tokens = tokens_of_block(own_block);
  let row = (kv_head * num_query_blocks() + invocation.workgroup.x) * num_key_blocks();
  for (var member = 0u; member < GROUP_SIZE; member++) {
    workgroupBarrier();
    for (var i = invocation.local_index; i < VECTORS; i += WORKGROUP_SIZE) {
      var sum = vec4(0.0);
      for (var token = tokens.x; token < tokens.y; token++) {
        sum += qkv[token * (QKV_SIZE / 4u) + (kv_head * GROUP_SIZE + member) * VECTORS + i];
      }
      mean_query[i] = sum * (SCALE * LOG2_E / f32(tokens.y - tokens.x));
    }
    workgroupBarrier();

    var largest = LOWEST;
    var sum = 0.0;
    for (var block = invocation.local_index; block <= own_block; block += WORKGROUP_SIZE) {
      let score = score_of(kv_head, block);
      let higher = max(largest, score);
      sum = sum * exp2(largest - higher) + exp2(score - higher);
      largest = higher;
    }
    let row_max = workgroup_max(largest, invocation);
    let row_sum = workgroup_sum(sum * exp2(largest - row_max), invocation);
    for (var block = invocation.local_index; block <= own_block; block += WORKGROUP_SIZE) {
      let weight = exp2(score_of(kv_head, block) - row_max) / (row_sum * f32(GROUP_SIZE));
      // The first member writes, the others add.
      scores[row + block] = select(scores[row + block] + weight, weight, member == 0u);
    }
  }
}
