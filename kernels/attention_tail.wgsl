// Goes on with attention where it left off at the tail: the output so far and its log-sum-exp are the state of an online softmax
// (its sum being 1), to which the sinks and the newest slots are added in 16 bits. One invocation per query row; a row has
// few slots here, TAIL_SINKS + TAIL_RESIDUAL + TAIL_GROUP at most. Those of the pass itself are not in the tail yet: a ring as long
// as a pass would take more memory than all that it holds.
//   qkv [tokens, QKV_SIZE]   tail_keys, tail_values [NUM_KV_HEADS, TAIL_SLOTS, HEAD_DIM]
//   output [tokens, NUM_HEADS * HEAD_DIM]   lse [tokens, NUM_HEADS], base 2
//   grid: tokens * GROUP_SIZE / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/step.wgsl"
#include <bound>
#include "common/tail_rows.wgsl"
#include <key_bias>

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> tail_keys: array<rows_Word>;
@group(0) @binding(2) var<storage, read> tail_values: array<rows_Word>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(5) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOWEST = -1e30;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= step.num_tokens * GROUP_SIZE) { return; }
  let token = id.x / GROUP_SIZE;
  let head = id.y * GROUP_SIZE + id.x % GROUP_SIZE;
  let row = token * NUM_HEADS + head;
  let length = step.first_slot + token + 1u;

  // A row that saw no slot so far has an output that is no number.
  let so_far = lse[row];
  let is_begun = so_far > LOWEST;
  var largest = select(LOWEST, so_far, is_begun);
  var sum = select(0.0, 1.0, is_begun);
  var query: array<vec4<f32>, VECTORS>;
  var result: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < bound(VECTORS); i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
    result[i] = select(vec4(0.0), output[row * VECTORS + i], is_begun);
  }

  let sinks = min(TAIL_SINKS, length);
  let start = min(tail_start(length), length);
  for (var n = 0u; n < sinks + length - start; n++) {
    let slot = select(start + n - sinks, n, n < sinks);
    if (WINDOW > 0u && slot + WINDOW < length) { continue; }
    var score = 0.0;
    for (var i = 0u; i < bound(VECTORS); i++) {
      score += dot(query[i], with_bias(tail_key(id.y, slot, i), id.y, slot, i));
    }
    let before = largest;
    largest = max(largest, score);
    let correction = exp2(before - largest);
    let weight = exp2(score - largest);
    sum = sum * correction + weight;
    for (var i = 0u; i < bound(VECTORS); i++) {
      result[i] = result[i] * correction + weight * tail_value(id.y, slot, i);
    }
  }
  for (var i = 0u; i < bound(VECTORS); i++) { output[row * VECTORS + i] = result[i] / sum; }
}
