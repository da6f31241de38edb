// What the comparisons of models measure, in nat.

/** −ln p(tokens[i + 1] | tokens[0..i]) from one row of log-probabilities per token. */
export function nllOf(rows: readonly Float64Array[], tokens: readonly number[]): Float64Array {
  return Float64Array.from(tokens.slice(1), (token, i) => -(rows[i]?.[token] ?? Number.NaN));
}

/** Mean absolute difference. */
export function meanDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} values beside ${b.length}`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN));
  return sum / a.length;
}

/** Mean entropy of the rows' distributions. */
export function meanEntropy(rows: readonly Float64Array[]): number {
  const entropies = rows.map((row) => row.reduce((sum, log) => sum - log * Math.exp(log), 0));
  return entropies.reduce((a, b) => a + b, 0) / rows.length;
}
