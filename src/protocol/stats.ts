// What a run measured, and what its cache holds.

/** Measured, never estimated. Bytes are GPU bytes by purpose. */
export interface RunStats {
  readonly model: string;
  readonly adapter: string;
  /** The adapter runs on the CPU: correct but slow. */
  readonly adapterIsSoftware?: boolean;
  /** Whether matrices were multiplied on the adapter's matrix units; absent where it has none. */
  readonly matrixUnits?: boolean;
  /** Why not, where they are not merely switched off. */
  readonly matrixUnitsProblem?: string;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly timeToFirstTokenMs: number;
  readonly gpuBytes: Readonly<Record<string, number>>;
  readonly cache: CacheStats;
  /** Absent where prefill was dense. */
  readonly prefill?: PrefillStats;
}

/** How sparse the attention of a prefill was. */
export interface PrefillStats {
  readonly sparsity: string;
  readonly threshold: number;
  /** What the threshold is a part of: the blocks in sight, or the attention that scores foretell. */
  readonly thresholdOf: "blocks" | "mass";
  /** Fraction of the blocks in sight that was attended, mean over layers and KV heads; absent where nothing was read. */
  readonly blocksAttended?: number;
}

export interface CacheStats {
  readonly policy: string;
  readonly positionScheme?: string;
  /** How positions are stretched, what `auto` came to: `none` where they are not. */
  readonly ropeScaling?: string;
  /** Tokens of the document that RoPE's frequencies were fixed for, where the scaling follows its length (dynamic-ntk). */
  readonly ropeLength?: number;
  /** How the budget is shared out; absent where every token stays. */
  readonly allocation?: string;
  /** Tokens per layer and KV head behind each chunk, the mean; absent where every token stays. */
  readonly budget?: number;
  readonly sinks?: number;
  readonly recent?: number;
  /** Every so many-th query was recorded, where the policy looks at attention. */
  readonly queryStride?: number;
  readonly typeK: string;
  readonly typeV: string;
  /** Why a type is not the one that `auto` stands for, where it is not. */
  readonly typeFallback?: string;
  /** What is cached rotated by a Hadamard matrix, where anything is. */
  readonly rotation?: string;
  /** Whether keys are cached divided by SmoothAttention's factors. */
  readonly smoothing?: boolean;
  /** Newest tokens held in f16 beside quantised ones, at least; absent where none are. */
  readonly residual?: number;
  /** Tokens the cache stands for. */
  readonly tokensRead: number;
  /** Mean over layers and KV heads. */
  readonly tokensKept: number;
  readonly tokensEvicted?: number;
  /** [layers][KV heads] */
  readonly tokensKeptPerHead?: readonly (readonly number[])[];
  /** [layers][KV heads] */
  readonly tokensEvictedPerHead?: readonly (readonly number[])[];
  /** Fraction of the tokens read that was evicted. */
  readonly compressionRatio?: number;
  readonly bytes: number;
  /** GPU bytes of keys, values and what a policy keeps beside them. */
  readonly bytesByPurpose?: Readonly<Record<string, number>>;
  /** Bytes in GPU memory, in the host's, and saved on disk. */
  readonly bytesByPlace?: { readonly gpu: number; readonly host: number; readonly disk: number };
  readonly bytesPerToken: number;
  /** Share of the lookups on record that found something saved, where this run looked; see SavedCaches. */
  readonly diskHitRate?: number;
  /** What of the cache came from disk; absent where all of it was read. */
  readonly restored?: {
    readonly tokens: number;
    /**
     * The same adapter, driver, kernels and places where passes end: the bits are those of a run that never stopped.
     * Otherwise probabilities may differ by rounding.
     */
    readonly bitIdentical: boolean;
  };
  /** Where evicted tokens may come back. */
  readonly recall?: {
    /** Tokens that may come back to each layer and KV head. */
    readonly limit: number;
    readonly pageTokens: number;
    /** Pages of a layer and KV head, the mean over layers, and the evicted tokens in them. */
    readonly pages: number;
    readonly tokens: number;
    /** Tokens that came back for the last question. */
    readonly recalled: number;
    /** Summaries on the GPU, pages in memory and on disk. */
    readonly bytes: { readonly gpu: number; readonly host: number; readonly disk: number };
  };
}
