// Keeps each query row's log-sum-exp (base 2) over some of the slots that attention saw: sinks, the slots that are repeated
// and the repeat itself, which is KVzip's softmax (arXiv:2505.23416). It has a running maximum of its own: next to the scores
// of all slots its own might vanish.
//   lse [tokens, NUM_HEADS]
#include "common/sample.wgsl"

@group(0) @binding(LSE_BINDING) var<storage, read_write> lse: array<f32>;
@group(0) @binding(LSE_BINDING + 1u) var<uniform> sample: Sample;

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

fn emit_lse(row: u32, all: f32) {
  lse[row] = observed_max + log2(observed_sum);
}
