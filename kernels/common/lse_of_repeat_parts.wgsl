// As lse_of_repeat.wgsl, for passes whose slots may be split among workgroups: each part's log-sum-exp (base 2) over all it
// saw, which outputs are joined by, and over what counts in a repeat.
//   lse, counted_lse [parts, tokens, NUM_HEADS]
#include "common/observed_repeat.wgsl"

@group(0) @binding(LSE_BINDING) var<storage, read_write> lse: array<f32>;
@group(0) @binding(LSE_BINDING + 1u) var<storage, read_write> counted_lse: array<f32>;
@group(0) @binding(LSE_BINDING + 2u) var<uniform> sample: Sample;

fn emit_lse(row: u32, all: f32) {
  lse[row] = all;
  counted_lse[row] = observed_lse();
}
