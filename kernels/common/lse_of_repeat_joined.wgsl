// Joins the log-sum-exps (base 2) over what counts in a repeat of the parts of a pass.
//   counted_lse [parts, tokens, NUM_HEADS]   lse [tokens, NUM_HEADS]
@group(0) @binding(LSE_BINDING) var<storage, read> counted_lse: array<f32>;
@group(0) @binding(LSE_BINDING + 1u) var<storage, read_write> lse: array<f32>;

fn emit_lse(row: u32, all: f32) {
  let rows = step.num_tokens * NUM_HEADS;
  let parts = arrayLength(&counted_lse) / rows;
  var largest = LOWEST;
  for (var p = 0u; p < parts; p++) { largest = max(largest, counted_lse[p * rows + row]); }
  var sum = 0.0;
  for (var p = 0u; p < parts; p++) { sum += exp2(counted_lse[p * rows + row] - largest); }
  lse[row] = largest + log2(sum);
}
