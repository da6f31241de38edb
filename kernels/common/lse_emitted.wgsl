// Keeps each query row's log-sum-exp (base 2): passes behind attention turn scores into softmax weights by it alone.
//   lse [tokens, NUM_HEADS]
@group(0) @binding(LSE_BINDING) var<storage, read_write> lse: array<f32>;

fn observe_scores(head: Head, scores: vec4<f32>, first_slot: u32) {}

fn emit_lse(row: u32, all: f32) {
  lse[row] = all;
}
