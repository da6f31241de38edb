// −ln softmax(logits)[target] of each row, one workgroup per row.
//   logits [rows, VOCAB_SIZE]   targets [rows]   nll [rows]   grid: rows
#include <reduce>

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> nll: array<f32>;

const LOWEST = -3e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(invocation: Invocation) {
  let row = invocation.workgroup.x;
  let first = row * VOCAB_SIZE;
  var largest = LOWEST;
  for (var i = invocation.local_index; i < VOCAB_SIZE; i += WORKGROUP_SIZE) {
    largest = max(largest, logits[first + i]);
  }
  largest = workgroup_max(largest, invocation);
  var sum = 0.0;
  for (var i = invocation.local_index; i < VOCAB_SIZE; i += WORKGROUP_SIZE) {
    sum += exp(logits[first + i] - largest);
  }
  sum = workgroup_sum(sum, invocation);
  if (invocation.local_index == 0u) {
    nll[row] = largest + log(sum) - logits[first + targets[row]];
  }
}
