// Observes the scores of a query row at some of the slots that attention sees: sinks, the slots that are repeated and the
// repeat itself, which is KVzip's softmax (arXiv:2505.23416). It has a running maximum of its own: next to the scores
// of all slots its own might vanish.
#include "common/sample.wgsl"

// Sum of a row that saw nothing of them.
const UNOBSERVED = 1e-30;

var<private> observed_max = LOWEST;
var<private> observed_sum = 0.0;

fn observe_scores(head: Head, scores: vec4<f32>, first_slot: u32) {
  let slots = first_slot + vec4(0u, 1u, 2u, 3u);
  let first_repeated = from_start(head, sample.first_slot);
  let is_repeated = (slots >= vec4(first_repeated)) & (slots < vec4(slots_of(head, sample.end_slot)));
  let repeats = slots >= vec4(slots_of(head, sample.repeat_slot));
  let counts = is_repeated | repeats | (slots < vec4(sample.sinks));
  if (!any(counts)) { return; }
  let counted = select(vec4(MASKED), scores, counts);
  let largest = max(max(counted.x, counted.y), max(counted.z, counted.w));
  let before = observed_max;
  observed_max = max(before, largest);
  observed_sum = observed_sum * exp2(before - observed_max)
    + dot(exp2(counted - observed_max), vec4(1.0));
}

// What invocations that share a row tell each other: maximum and sum.
fn observed() -> vec2<f32> {
  return vec2(observed_max, observed_sum);
}

fn observe_others(other: vec2<f32>) {
  let largest = max(observed_max, other.x);
  observed_sum = observed_sum * exp2(observed_max - largest) + other.y * exp2(other.x - largest);
  observed_max = largest;
}

fn observed_lse() -> f32 {
  return observed_max + log2(max(observed_sum, UNOBSERVED));
}
