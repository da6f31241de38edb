// y = W x for every token, summed in double precision.

/** `input` [tokens, cols] and `weights` [rows, cols] to [tokens, rows]. */
export function matmul(
  input: Float32Array,
  weights: Float32Array,
  { rows, cols, tokens }: { rows: number; cols: number; tokens: number },
): Float32Array {
  const output = new Float32Array(tokens * rows);
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) {
        // Both indices are inside the shapes.
        sum += input[token * cols + col]! * weights[row * cols + col]!;
      }
      output[token * rows + row] = sum;
    }
  }
  return output;
}
