// Log-sum-exp (base 2) of the scores of sampled queries, which turns scores into softmax weights without their matrix.
// One invocation per query row; all of a workgroup read the same key at a time.
//   qkv [tokens, QKV_SIZE]   keys [NUM_KV_HEADS, capacity, HEAD_DIM]   lse [queries, NUM_HEADS]
//   grid: queries * GROUP_SIZE / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/sample.wgsl"
#include <bound>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> sample: Sample;
@group(0) @binding(5) var<uniform> capacity: Capacity;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;
const LOWEST = -1e30;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let num_rows = sample.num_queries * GROUP_SIZE;
  let row = min(id.x, num_rows - 1u);
  let token = sample.first_query + row / GROUP_SIZE * sample.stride;
  let head = id.y * GROUP_SIZE + row % GROUP_SIZE;
  var query: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < bound(VECTORS); i++) {
    query[i] = qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i] * (SCALE * LOG2_E);
  }
  var largest = LOWEST;
  var sum = 0.0;
  let end = step.first_slot + token + 1u;
  for (var slot = 0u; slot < end; slot++) {
    var score = 0.0;
    for (var i = 0u; i < bound(VECTORS); i++) {
      score += dot(query[i], key_load(&keys, id.y * capacity.slots + slot, i));
    }
    let before = largest;
    largest = max(largest, score);
    sum = sum * exp2(before - largest) + exp2(score - largest);
  }
  if (id.x < num_rows) { lse[row / GROUP_SIZE * NUM_HEADS + head] = largest + log2(sum); }
}
