// Sums over the sampled queries of a pass, as they are in front of RoPE: products of each pair of dimensions, values, and
// their number, for mean and covariance of a head's queries. An invocation takes a column of four rows of a head's products.
//   qkv [tokens, QKV_SIZE]   norms [HEAD_DIM]   scales [tokens, NUM_HEADS], where the model has QK-norm
//   moments [NUM_HEADS, HEAD_DIM + 2, HEAD_DIM]: products, sums, numbers   grid: HEAD_DIM / 4, NUM_HEADS
#include "common/heads.wgsl"
#include "common/sample.wgsl"

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<f32>;
@group(0) @binding(4) var<uniform> sample: Sample;

fn query_at(token: u32, head: u32, dimension: u32) -> f32 {
  let value = qkv[token * QKV_SIZE + head * HEAD_DIM + dimension];
  if (!HAS_QK_NORM) { return value; }
  return value * scales[token * NUM_HEADS + head] * norms[dimension];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(local_invocation_index) local_index: u32,
  @builtin(workgroup_id) workgroup: vec3<u32>,
) {
  let head = workgroup.y;
  let first_row = workgroup.x * 4u;
  for (var column = local_index; column < HEAD_DIM; column += WORKGROUP_SIZE) {
    var products = vec4(0.0);
    var sum = 0.0;
    for (var i = 0u; i < sample.num_queries; i++) {
      let token = token_of(i);
      let value = query_at(token, head, column);
      products += value * vec4(
        query_at(token, head, first_row),
        query_at(token, head, first_row + 1u),
        query_at(token, head, first_row + 2u),
        query_at(token, head, first_row + 3u),
      );
      sum += value;
    }
    let goes_on = sample.joined_slots > 0u;
    let start = head * (HEAD_DIM + 2u) * HEAD_DIM + column;
    for (var r = 0u; r < 4u; r++) {
      let index = start + (first_row + r) * HEAD_DIM;
      moments[index] = select(0.0, moments[index], goes_on) + products[r];
    }
    if (first_row == 0u) {
      let index = start + HEAD_DIM * HEAD_DIM;
      moments[index] = select(0.0, moments[index], goes_on) + sum;
      let number = index + HEAD_DIM;
      moments[number] = select(0.0, moments[number], goes_on) + f32(sample.num_queries);
    }
  }
}
