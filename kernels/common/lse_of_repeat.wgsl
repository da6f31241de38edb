// Keeps each query row's log-sum-exp (base 2) over what counts in a repeat.
//   lse [tokens, NUM_HEADS]
#include "common/observed_repeat.wgsl"

@group(0) @binding(LSE_BINDING) var<storage, read_write> lse: array<f32>;
@group(0) @binding(LSE_BINDING + 1u) var<uniform> sample: Sample;

fn emit_lse(row: u32, all: f32) {
  lse[row] = observed_lse();
}
