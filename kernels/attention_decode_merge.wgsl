// Joins the partial results of attention_decode.wgsl by their log-sum-exp: output = Σ 2^(m_s − m) partial_s / Σ 2^(m_s − m) l_s.
//   partial [parts, NUM_HEADS, HEAD_DIM]   statistics [parts, NUM_HEADS]   output [NUM_HEADS * HEAD_DIM]
//   grid: NUM_HEADS * HEAD_DIM / 4 / WORKGROUP_SIZE
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <row_lse>
#include <row_query>

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> statistics: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> heads: array<Head, NUM_KV_HEADS>;

const VECTORS = HEAD_DIM / 4u;
const LOWEST = -1e30;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= NUM_HEADS * VECTORS) { return; }
  let head = id.x / VECTORS;
  let filled = slots_of(heads[head / (NUM_HEADS / NUM_KV_HEADS)], step.cache_length);
  let length = select(filled, min(filled, WINDOW), WINDOW > 0u);
  let parts = TAIL_PARTS + (length + SPLIT - 1u) / SPLIT;
  var largest = LOWEST;
  for (var s = 0u; s < parts; s++) { largest = max(largest, statistics[s * NUM_HEADS + head].x); }
  var sum = 0.0;
  var total = vec4(0.0);
  for (var s = 0u; s < parts; s++) {
    let statistic = statistics[s * NUM_HEADS + head];
    let share = exp2(statistic.x - largest);
    sum += share * statistic.y;
    total += share * partial[s * NUM_HEADS * VECTORS + id.x];
  }
  output[id.x] = total / sum;
  let lse = largest + log2(sum);
  if (id.x % VECTORS == 0u) { emit_lse(head, lse); }
  keep_query(id.x, head, lse);
}
