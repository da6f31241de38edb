// Rows of a matrix and their weights.

/** The rows' sum by weight. */
export function mix(rows: Float32Array, weights: Float32Array): Float32Array {
  const width = rows.length / weights.length;
  const out = new Float32Array(width);
  for (const [row, weight] of weights.entries())
    for (let i = 0; i < width; i++) out[i]! += weight * rows[row * width + i]!;
  return out;
}

/** The rows' mean. */
export function meanOf(rows: Float32Array, width: number): Float32Array {
  const count = rows.length / width;
  return mix(rows, new Float32Array(count).fill(1 / count));
}

/** The largest value of each column. */
export function highest(rows: Float32Array, width: number): Float32Array {
  const most = new Float32Array(width).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < rows.length; i++) most[i % width] = Math.max(most[i % width]!, rows[i]!);
  return most;
}

export function softmax(logits: Float32Array): Float32Array {
  const most = logits.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
  const weights = logits.map((value) => Math.exp(value - most));
  const total = weights.reduce((sum, value) => sum + value, 0);
  return weights.map((value) => value / total);
}
