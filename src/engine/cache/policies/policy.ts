// What a cache policy is (after kvpress's ScorerPress): score the cached tokens of each KV head, keep the best within the
// budget. Sinks and the recent window are kept whatever their score; selecting and gathering are the same for all.

import type { Grid } from "../../gpu/commandList.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import type { KeyBiasShape } from "../../model/operations/keyBias.ts";
import type { HeadShape, RopeShape } from "../../model/operations/rope.ts";
import type { CacheAllocationId } from "../allocations/index.ts";
import type { PositionSchemeId } from "../positionSchemes.ts";
import type { CacheTypeId } from "../types.ts";

/** What score kernels depend on. */
export interface ScoreShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly keyType: CacheTypeId;
  readonly valueType: CacheTypeId;
  /** Multiplies q·k. */
  readonly scale: number;
  /** Where the cache holds keys without their bias. */
  readonly keyBias?: KeyBiasShape | undefined;
  /** For policies that look at the statistics of queries. */
  readonly rope?: QueryRope;
}

/** How queries become those of attention. */
export interface QueryRope extends Omit<RopeShape, keyof HeadShape | "rotatesKeys"> {
  /** Positions are those in the cache. */
  readonly movesKeys: boolean;
}

/** A buffer of the layer or of the eviction; `scores` [rows] is what selection reads. */
export type ScoreBuffer =
  | "keys"
  | "values"
  | "attentionSums"
  | "positions"
  | "anchor"
  | "scores"
  | StatisticsBuffer;

/** Buffers of the statistics of queries, see `queryStatistics.ts`. */
export type StatisticsBuffer = "frequencies" | "moments" | "expected" | "logits" | "rowLse";

/** One dispatch. Behind its buffers a kernel gets the eviction's uniform and the heads', and one that reads keys their bias. */
export interface ScoreKernel {
  readonly source: KernelSource;
  readonly buffers: readonly ScoreBuffer[];
  /** For caches of up to `slots` slots. */
  grid(slots: number): Grid;
}

/**
 * The attention a policy looks at: the mean over each GQA group of softmax weights, summed over queries; of a repeat, the
 * maximum over group and queries.
 */
export interface AttentionRecord {
  /**
   * All queries, the last so many in front of an eviction, or those of the tokens read once more to repeat them. Of
   * `statistics` the queries themselves are looked at, not their attention.
   */
  readonly queries: "all" | number | "repeat" | "statistics";
  /** Whether sums go on over evictions, or begin anew behind each. */
  readonly accumulates: boolean;
}

export interface CachePolicy {
  /** One sentence for settings and tables. */
  readonly description: string;
  /** False: every token stays, and nothing below matters. */
  readonly evicts: boolean;
  /** Attention that must be recorded for its scores. */
  readonly records?: AttentionRecord;
  /** Tokens read between two evictions unless the chunk length is given; of a repeat, also those repeated at once. */
  readonly tokensAtOnce?: number;
  /** Kernels that write the scores, in order; absent where sinks and the recent window fill the budget. */
  scoreKernels?(shape: ScoreShape): readonly ScoreKernel[];
  /** Recent window unless one is given, of `tokens` that the sinks leave. */
  recentTokens(tokens: number): number;
  /** Whether all heads of a layer have the same scores. */
  readonly scoresHeadsAlike?: boolean;
  /** Allocation of the budget unless one is given; default: uniform. */
  readonly allocation?: CacheAllocationId;
  /** Position scheme unless one is given. */
  readonly positionScheme: PositionSchemeId;
}

const RECENT_TOKENS = 64;

/** A short window that keeps the sentence being read; at most half of what there is. */
export function shortWindow(tokens: number): number {
  return Math.max(1, Math.min(RECENT_TOKENS, Math.floor(tokens / 2)));
}
