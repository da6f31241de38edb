// Logarithm (base 2) of the weight that the queries to expect give each slot, without its normalisation: the mean of
// exp(scale q·k) over q ~ N(μ, Σ) is exp(scale μ·k + scale² kᵀΣk / 2).
//   keys [rows, HEAD_DIM]   expected [NUM_HEADS, HEAD_DIM + 1, HEAD_DIM]: Σ, μ   logits [rows, GROUP_SIZE]
//   grid: slots / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/eviction.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> keys: array<key_Word>;
@group(0) @binding(1) var<storage, read> expected: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<uniform> eviction: Eviction;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;
const LOG2_E = 1.4426950408889634;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= slots_of(heads[id.y], eviction.length)) { return; }
  let row = heads[id.y].first_row + id.x;
  var key: array<vec4<f32>, VECTORS>;
  for (var i = 0u; i < VECTORS; i++) {
    key[i] = with_bias(key_load(&keys, row, i), id.y, id.x, i) * SCALE;
  }
  // Bounds that a compiler cannot foresee: a CPU's takes minutes for the loops it unrolls.
  let vectors = min(VECTORS, VECTORS * eviction.length);
  let group_size = min(GROUP_SIZE, GROUP_SIZE * eviction.length);
  for (var g = 0u; g < group_size; g++) {
    let start = (id.y * GROUP_SIZE + g) * (HEAD_DIM + 1u) * VECTORS;
    var logit = 0.0;
    for (var i = 0u; i < vectors; i++) {
      var turned = vec4(0.0);
      for (var j = 0u; j < vectors; j++) {
        let column = start + 4u * i * VECTORS + j;
        turned += vec4(
          dot(expected[column], key[j]),
          dot(expected[column + VECTORS], key[j]),
          dot(expected[column + 2u * VECTORS], key[j]),
          dot(expected[column + 3u * VECTORS], key[j]),
        );
      }
      logit += dot(key[i], 0.5 * turned + expected[start + HEAD_DIM * VECTORS + i]);
    }
    logits[row * GROUP_SIZE + g] = logit * LOG2_E;
  }
}
