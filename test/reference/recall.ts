// Recall in plain f64: what a page could score at most, how much a question could attend to each page, and the merge of two
// attentions. Written to be obviously right.

import { at, type Heads } from "./operations.ts";
import { type RopeTable, rotate } from "./rope.ts";

/** Smallest and largest value of each dimension among a page's keys of one head. */
export interface PageSummary {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export interface PageQuestion extends Heads {
  /** [tokens][numHeads], behind RoPE */
  readonly queries: readonly (readonly Float64Array[])[];
  /** [numKvHeads][slots], as attention sees them */
  readonly keptKeys: readonly (readonly Float64Array[])[];
  /** [pages][numKvHeads] */
  readonly pages: readonly (readonly PageSummary[])[];
  readonly scale: number;
  /** Where keys are cached before RoPE. */
  readonly moved?: {
    readonly table: RopeTable;
    readonly pairing: "interleaved" | "half";
    /** The rank that a page's keys are assumed to get. */
    readonly rankOf: (page: number) => number;
    /** Slots that recalled tokens take. */
    readonly recalled: number;
  };
}

/** Quest's bound (arXiv:2406.10774): Σ max(q · smallest, q · largest). */
export function questBound(query: ArrayLike<number>, { low, high }: PageSummary): number {
  return low.reduce(
    (sum, smallest, d) => sum + Math.max(at(query, d) * smallest, at(query, d) * at(high, d)),
    0,
  );
}

/** Σ over queries and the heads of a group of exp(bound − lse), lse over kept keys and the bounds of all pages: [numKvHeads][pages]. */
export function pageScores(question: PageQuestion): number[][] {
  const { numHeads, numKvHeads, queries, keptKeys, pages, scale, moved } = question;
  const scores = Array.from({ length: numKvHeads }, () => pages.map(() => 0));
  for (const heads of queries)
    for (const [head, query] of heads.entries()) {
      const kvHead = Math.floor(head / (numHeads / numKvHeads));
      // A rotation back by p is one by −p; what q and k gain by the attention factor a query here has once.
      const turned = (by: number, factor: number): Float64Array =>
        moved
          ? rotate(query, -by, { ...moved.table, attentionFactor: factor }, moved.pairing)
          : query;
      const factor = moved?.table.attentionFactor ?? 1;
      const near = turned(moved?.recalled ?? 0, 1);
      const kept = (keptKeys[kvHead] ?? []).map((key) => scale * dot(near, key));
      const bounds = pages.map(
        (summaries, page) =>
          scale *
          questBound(turned(moved?.rankOf(page) ?? 0, factor), summaryOf(summaries, kvHead)),
      );
      const largest = Math.max(...kept, ...bounds);
      const total = [...kept, ...bounds].reduce((sum, x) => sum + Math.exp(x - largest), 0);
      const lse = largest + Math.log(total);
      const own = scores[kvHead] ?? [];
      for (const [page, bound] of bounds.entries())
        own[page] = at(own, page) + Math.exp(bound - lse);
    }
  return scores;
}

/** One attention from two over different keys: outputs [headDim] and natural log-sum-exps. */
export function mergeByLse(
  a: { readonly output: ArrayLike<number>; readonly lse: number },
  b: { readonly output: ArrayLike<number>; readonly lse: number },
): Float64Array {
  const largest = Math.max(a.lse, b.lse);
  const [weightA, weightB] = [Math.exp(a.lse - largest), Math.exp(b.lse - largest)];
  return Float64Array.from(
    { length: a.output.length },
    (_, d) => (weightA * at(a.output, d) + weightB * at(b.output, d)) / (weightA + weightB),
  );
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, d) => sum + value * at(b, d), 0);
}

function summaryOf(summaries: readonly PageSummary[], head: number): PageSummary {
  const summary = summaries[head];
  if (summary === undefined) throw new RangeError(`no summary of head ${head}`);
  return summary;
}
