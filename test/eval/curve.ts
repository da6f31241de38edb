// How well a score tells good from bad.

/** Area under the ROC curve: the share of pairs in the right order. Both sorted, lowest first. */
export function areaUnderCurve(good: readonly number[], bad: readonly number[]): number {
  let below = 0;
  let pairs = 0;
  for (const value of good) {
    while (below < bad.length && (bad[below] ?? 0) < value) below++;
    pairs += below;
  }
  return pairs / (good.length * bad.length);
}

/** The value below which a share of the sorted ones lie. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(share * sorted.length)] ?? 0;
}
