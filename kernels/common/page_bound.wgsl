// Quest's bound (arXiv:2406.10774): no key of the page scores higher with the query than Σ max(q · smallest, q · largest).
//   queries [REFERENCES + 1, NUM_HEADS, tokens, HEAD_DIM]   bounds [pages, NUM_KV_HEADS, HEAD_DIM]
#include <bound>

const VECTORS = HEAD_DIM / 4u;
const GROUP_SIZE = NUM_HEADS / NUM_KV_HEADS;

// Pages are in the order they were evicted in, about that of the document.
fn reference_of(page: u32) -> u32 {
  return page * REFERENCES / question.num_pages;
}

fn query_at(reference: u32, head: u32, token: u32) -> u32 {
  return ((reference * NUM_HEADS + head) * question.num_tokens + token) * VECTORS;
}

fn page_bound(page: u32, head: u32, token: u32) -> f32 {
  let query = query_at(reference_of(page), head, token);
  let summary = (page * NUM_KV_HEADS + head / GROUP_SIZE) * VECTORS;
  var sum = 0.0;
  for (var i = 0u; i < bound(VECTORS); i++) {
    let q = queries[query + i];
    let packed = bounds[summary + i];
    let first = unpack2x16float(packed.x);
    let second = unpack2x16float(packed.y);
    let third = unpack2x16float(packed.z);
    let fourth = unpack2x16float(packed.w);
    let low = vec4(first.x, second.x, third.x, fourth.x);
    let high = vec4(first.y, second.y, third.y, fourth.y);
    sum += dot(max(q * low, q * high), vec4(1.0));
  }
  return sum;
}
