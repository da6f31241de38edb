// Joins a pass's attention to parts of the slots by their log-sum-exps (base 2): output = Σ 2^(lse_p − lse) partial_p.
//   partial [parts, tokens, NUM_HEADS, HEAD_DIM]   partial_lse [parts, tokens, NUM_HEADS]   output [tokens, NUM_HEADS * HEAD_DIM]
//   grid: tokens * NUM_HEADS * HEAD_DIM / 4 / WORKGROUP_SIZE
#include "common/step.wgsl"
#include "common/heads.wgsl"
#include <row_lse>

@group(0) @binding(0) var<storage, read> partial: array<vec4<f32>>;
// Bound as long as it is: its length tells the number of parts.
@group(0) @binding(1) var<storage, read> partial_lse: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;
const LOWEST = -1e30;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let rows = step.num_tokens * NUM_HEADS;
  let row = id.x / VECTORS;
  if (row >= rows) { return; }
  let parts = arrayLength(&partial_lse) / rows;
  var largest = LOWEST;
  for (var p = 0u; p < parts; p++) { largest = max(largest, partial_lse[p * rows + row]); }
  var sum = 0.0;
  var total = vec4(0.0);
  for (var p = 0u; p < parts; p++) {
    let share = exp2(partial_lse[p * rows + row] - largest);
    sum += share;
    total += share * partial[p * rows * VECTORS + id.x];
  }
  output[id.x] = total / sum;
  if (id.x % VECTORS == 0u) { emit_lse(row, largest + log2(sum)); }
}
