// Joins the attention of the same queries to other slots by their log-sum-exps (base 2): output = Σ 2^(lse_i − lse) output_i.
//   output, other [tokens, NUM_HEADS, HEAD_DIM]   lse, other_lse, joined_lse [tokens, NUM_HEADS]
//   grid: tokens * NUM_HEADS * HEAD_DIM / 4 / WORKGROUP_SIZE
#include "common/step.wgsl"

@group(0) @binding(0) var<storage, read_write> output: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> other: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> other_lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> joined_lse: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

const VECTORS = HEAD_DIM / 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x / VECTORS;
  if (row >= step.num_tokens * NUM_HEADS) { return; }
  let largest = max(lse[row], other_lse[row]);
  let own = exp2(lse[row] - largest);
  let others = exp2(other_lse[row] - largest);
  output[id.x] = (own * output[id.x] + others * other[id.x]) / (own + others);
  if (id.x % VECTORS == 0u) { joined_lse[row] = largest + log2(own + others); }
}
