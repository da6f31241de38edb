// Log-sum-exp (base 2) of what each query of a question could attend to: its scores with the kept keys and the bounds of the
// pages. One invocation per query and head.
//   keys [rows, HEAD_DIM]   lse [NUM_HEADS, tokens]   grid: tokens / WORKGROUP_SIZE, NUM_HEADS
#include "common/heads.wgsl"
#include "common/question.wgsl"
#include "common/page_bound.wgsl"
#include <key_bias>
#include <key_cache> as key

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> bounds: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> keys: array<key_Word>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(0) @binding(4) var<uniform> question: Question;
@group(0) @binding(5) var<uniform> heads: array<Head, NUM_KV_HEADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let token = id.x;
  let head = id.y;
  if (token >= question.num_tokens) { return; }
  let query = query_at(REFERENCES, head, token);
  let first_row = heads[head / GROUP_SIZE].first_row;
  var largest = -1e30;
  var sum = 0.0;
  for (var slot = 0u; slot < question.kept; slot++) {
    var score = 0.0;
    for (var i = 0u; i < bound(VECTORS); i++) {
      let key = with_bias(key_load(&keys, first_row + slot, i), head / GROUP_SIZE, slot, i);
      score += dot(queries[query + i], key);
    }
    let before = largest;
    largest = max(largest, score);
    sum = sum * exp2(before - largest) + exp2(score - largest);
  }
  for (var page = 0u; page < question.num_pages; page++) {
    let most = page_bound(page, head, token);
    let before = largest;
    largest = max(largest, most);
    sum = sum * exp2(before - largest) + exp2(most - largest);
  }
  lse[head * question.num_tokens + token] = largest + log2(sum);
}
