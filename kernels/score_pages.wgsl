// How much a question could attend to each page: Σ 2^(bound − lse) over its queries and the heads of a KV head's group.
// One invocation per page and KV head.
//   lse [NUM_HEADS, tokens]   scores [NUM_KV_HEADS, pages]   grid: pages / WORKGROUP_SIZE, NUM_KV_HEADS
#include "common/question.wgsl"
#include "common/page_bound.wgsl"

@group(0) @binding(0) var<storage, read> queries: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> bounds: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;
@group(0) @binding(4) var<uniform> question: Question;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= question.num_pages) { return; }
  var score = 0.0;
  for (var g = 0u; g < GROUP_SIZE; g++) {
    let head = id.y * GROUP_SIZE + g;
    for (var token = 0u; token < question.num_tokens; token++) {
      let most = page_bound(id.x, head, token);
      score += exp2(min(0.0, most - lse[head * question.num_tokens + token]));
    }
  }
  scores[id.y * question.num_pages + id.x] = score;
}
