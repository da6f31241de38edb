// Expected attention (arXiv:2510.00636) in float64: the weight that queries drawn from a normal distribution give each key at
// the next positions, on average.

import { at } from "./operations.ts";

export interface ExpectedRope {
  readonly ropeDim: number;
  readonly pairing: "half" | "interleaved";
  readonly attentionFactor: number;
  readonly invFreq: Float64Array;
  readonly hasQkNorm: boolean;
  readonly epsilon: number;
}

const FUTURE_POSITIONS = 512;

/** RMS norm of a query, times the norm's weights. */
export function normed(query: readonly number[], weights: ArrayLike<number>, epsilon: number) {
  const mean = query.reduce((sum, x) => sum + x * x, 0) / query.length;
  return query.map((x, d) => (x / Math.sqrt(mean + epsilon)) * at(weights, d));
}

/** Softmax over `keys` of scale μ·k + scale² kᵀΣk / 2, with μ and Σ of `queries` turned to the positions from `position` on. */
export function expectedAttention(
  queries: readonly (readonly number[])[],
  keys: readonly (readonly number[])[],
  { rope, scale, position }: { rope: ExpectedRope; scale: number; position: number },
): number[] {
  const size = at(queries, 0).length;
  const range = Array.from({ length: size }, (_, i) => i);
  const mean = range.map((d) => queries.reduce((sum, q) => sum + at(q, d), 0) / queries.length);
  const covariance = range.map((a) =>
    range.map((b) => {
      const products = queries.map((q) => (at(q, a) - at(mean, a)) * (at(q, b) - at(mean, b)));
      return products.reduce((sum, x) => sum + x, 0) / queries.length;
    }),
  );
  const turn = meanRotation(size, rope, position);
  const turnedMean = turn.map((row) => dot(row, mean));
  const half = turn.map((row) =>
    range.map((b) =>
      dot(
        row,
        covariance.map((c) => at(c, b)),
      ),
    ),
  );
  const turned = half.map((row) => turn.map((other) => dot(row, other)));
  const logits = keys.map((key) => {
    const quadratic = dot(
      key,
      turned.map((row) => dot(row, key)),
    );
    return scale * dot(turnedMean, key) + (scale * scale * quadratic) / 2;
  });
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const total = weights.reduce((sum, x) => sum + x, 0);
  return weights.map((weight) => weight / total);
}

/** Mean of RoPE's matrices over the next positions. */
function meanRotation(size: number, rope: ExpectedRope, position: number): number[][] {
  const matrix = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j): number => (i === j && i >= rope.ropeDim ? 1 : 0)),
  );
  const pairs = rope.ropeDim / 2;
  for (let pair = 0; pair < pairs; pair++) {
    const [near, far] = rope.pairing === "half" ? [pair, pair + pairs] : [2 * pair, 2 * pair + 1];
    const set = (i: number, j: number, of: (angle: number) => number): void => {
      let sum = 0;
      for (let p = position; p < position + FUTURE_POSITIONS; p++)
        sum += of(p * at(rope.invFreq, pair));
      at(matrix, i)[j] = (rope.attentionFactor * sum) / FUTURE_POSITIONS;
    };
    set(near, near, Math.cos);
    set(near, far, (angle) => -Math.sin(angle));
    set(far, near, Math.sin);
    set(far, far, Math.cos);
  }
  return matrix;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * at(b, i), 0);
}
