// Caches that texts were read into: on disk, as pictures, and compared with the full one.

import type { Skipped } from "./answers.ts";
import type { CacheStats, RunStats } from "./stats.ts";

/** What reading into a saved cache gave. */
export interface Ingestion {
  /** The document's path, or what was named where there are several. */
  readonly document: string;
  readonly tokensRead: number;
  /** Mean over layers and KV heads. */
  readonly tokensKept: number;
  readonly policy: string;
  /** Bytes on disk. */
  readonly bytes: number;
  /** The saved file. */
  readonly path: string;
  /** True when exactly this was saved before, and nothing had to be read. */
  readonly restored: boolean;
  readonly skipped: readonly Skipped[];
  readonly stats: RunStats;
}

/** A cache on disk. */
export interface SavedCacheInfo {
  readonly document: string;
  readonly model: string;
  readonly policy: string;
  readonly tokensRead: number;
  readonly tokensKept: number;
  /** Bytes on disk. */
  readonly bytes: number;
  /** Bytes on the GPU, summaries of evicted pages included, and of these pages in memory: 0 unless it is loaded now. */
  readonly gpuBytes: number;
  readonly hostBytes: number;
  /** ISO 8601. */
  readonly lastUsed: string;
  readonly path: string;
}

/** Which parts of a text the loaded cache holds, as a picture; neighbouring tokens are taken together in bins. */
export interface CacheMap {
  /** The document's path, or what was named where there are several. */
  readonly document: string;
  readonly policy: string;
  readonly tokens: number;
  readonly bins: readonly CacheMapBin[];
  /** Fraction of each bin's tokens that is held, mean over the KV heads: [layers][bins]. */
  readonly keptByLayer: readonly (readonly number[])[];
  /** Attention recorded for the policy, in sum 1 a layer: [layers][bins]; absent where it records none. */
  readonly attentionByLayer?: readonly (readonly number[])[];
}

export interface CacheMapBin {
  readonly firstToken: number;
  readonly numTokens: number;
  /** Mean over layers and KV heads. */
  readonly kept: number;
  /** Where its text stands; absent for what is no document's text. */
  readonly place?: {
    readonly path: string;
    readonly label: string;
    readonly startLine: number;
    readonly endLine: number;
  };
}

/** How far a cache is from the full one on a text. */
export interface Fidelity {
  readonly document: string;
  /** The compared cache, and the full one: settings, tokens, bytes. */
  readonly cache: CacheStats;
  readonly full: CacheStats;
  /** Tokens at the end of the text behind which predictions were compared. */
  readonly predictions: number;
  /** Share of them at which both caches find the same token likeliest. */
  readonly topAgreement: number;
  /** KL(full ‖ compared) in nat. */
  readonly meanKl: number;
  readonly maxKl: number;
  readonly skipped: readonly Skipped[];
}

/** The folder of saved caches. */
export interface SavedCaches {
  /** The last used first. */
  readonly caches: readonly SavedCacheInfo[];
  readonly folder: string;
  /** Bytes that saved caches may take together. */
  readonly limitBytes: number;
  readonly disk: DiskLookups;
}

/** How often saved caches were looked for. */
export interface LookupCounts {
  readonly lookups: number;
  /** All tokens were on disk. */
  readonly hits: number;
  /** The first tokens were on disk, the rest was read. */
  readonly partialHits: number;
  readonly tokensRequested: number;
  readonly tokensRestored: number;
  /** Hits of both kinds per lookup. */
  readonly hitRate: number;
}

/** Lookups on record, and those of each day, the first first. */
export interface DiskLookups extends LookupCounts {
  readonly days: readonly (LookupCounts & { readonly day: string })[];
}
