// Keeps each query row's log-sum-exp (base 2): passes behind attention turn scores into softmax weights by it alone.
//   lse [tokens, NUM_HEADS]
@group(0) @binding(LSE_BINDING) var<storage, read_write> lse: array<f32>;

#include "common/observed_nothing.wgsl"

fn emit_lse(row: u32, all: f32) {
  lse[row] = all;
}
