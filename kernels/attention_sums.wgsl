// Column sums of the softmax, H2O's statistic (arXiv:2306.14048): sums[k] += mean over the GQA group of Σ_q 2^(s_qk − lse_q)
// over the sampled queries q that see slot k. One invocation per slot; all of a workgroup read the same query at a time.
//   qkv [tokens, QKV_SIZE]   keys [NUM_KV_HEADS, capacity, HEAD_DIM]   lse [queries, NUM_HEADS]
//   sums [NUM_KV_HEADS, capacity]   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/step.wgsl"
#include "common/sample.wgsl"
#include <bound>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> keys: array<key_Word>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;
@group(0) @binding(5) var<uniform> sample: Sample;
@group(0) @binding(6) var<uniform> capacity: Capacity;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let slot = min(id.x, step.cache_length - 1u);
  var key: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < bound(VECTORS); i++) {
    key[i] = key_load(&keys, id.y * capacity.slots + slot, i) * (SCALE * LOG2_E);
  }
  var sum = 0.0;
  for (var q = 0u; q < sample.num_queries; q++) {
    let token = sample.first_query + q * sample.stride;
    let is_seen = slot <= step.first_slot + token;
    for (var g = 0u; g < bound(GROUP_SIZE); g++) {
      let head = id.y * GROUP_SIZE + g;
      var score = 0.0;
      for (var i = 0u; i < bound(VECTORS); i++) {
        score += dot(qkv[token * (QKV_SIZE / 4u) + head * VECTORS + i], key[i]);
      }
      let weight = exp2(min(0.0, score - lse[q * NUM_HEADS + head]));
      sum += select(0.0, weight, is_seen);
    }
  }
  if (id.x < step.cache_length) {
    let index = id.y * capacity.slots + slot;
    sums[index] = select(0.0, sums[index], slot < sample.summed_slots) + sum / f32(GROUP_SIZE);
  }
}
