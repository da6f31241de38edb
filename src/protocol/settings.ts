// Settings that operations accept, and what each is asked with.

/** Settings every operation that runs a model accepts; the command line's flags and `lectern.*` bear the same names. */
export interface ModelSettings {
  /** Path of a GGUF file, or the id of a model known on this machine. Absent: the embedded model. */
  readonly model?: string;
  readonly contextLength?: number;
  readonly chunkLength?: number;
  readonly cachePolicy?: string;
  /** Tokens per layer and KV head after each chunk, sinks and recent window included. */
  readonly cacheBudget?: number;
  readonly cacheSinks?: number;
  readonly cacheRecent?: number;
  /** How the budget, then a mean, is shared out among layers and KV heads. */
  readonly cacheAllocation?: string;
  /** Policies that look at attention record every so many-th query; 1 is exact. */
  readonly cacheQueryStride?: number;
  /** Evicted tokens that may come back for a question, to each layer and KV head. */
  readonly cacheRecall?: number;
  readonly cacheTypeK?: string;
  readonly cacheTypeV?: string;
  /** Newest tokens held in f16 beside quantised ones, with the first four. */
  readonly cacheResidual?: number;
  /** Which of keys and values are cached rotated by a Hadamard matrix. */
  readonly cacheRotation?: string;
  /** SmoothAttention, from what `lectern calibrate` found: off or on. */
  readonly cacheSmoothing?: string;
  readonly cacheDir?: string;
  readonly ropeScaling?: string;
  readonly ropeFactor?: number;
  readonly positionScheme?: string;
  readonly prefillSparsity?: string;
  /** Of the blocks in sight, or of the attention a selector foretells: above 0, at most 1, which is dense. */
  readonly prefillThreshold?: number;
  /** Substring of the adapter's name to use. */
  readonly adapter?: string;
  /** Whether matrices are multiplied on the adapter's matrix units: auto where it has any that do well, or off. */
  readonly matrixUnits?: string;
}

export interface SamplingSettings {
  readonly maxTokens?: number;
  /** 0 is greedy. */
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
}

export interface AskParams extends ModelSettings, SamplingSettings {
  readonly paths: readonly string[];
  readonly question: string;
  readonly noRetrieval?: boolean;
  readonly noCache?: boolean;
  /** Earlier turns of the same chat, oldest first. */
  readonly history?: readonly { readonly question: string; readonly answer: string }[];
  /** Text of editors not yet saved, by path: read instead of the file. */
  readonly unsaved?: Readonly<Record<string, string>>;
}

export interface IngestParams extends ModelSettings {
  readonly paths: readonly string[];
  /** Text of editors not yet saved, by path: read instead of the file. */
  readonly unsaved?: Readonly<Record<string, string>>;
}

export interface SummarizeParams extends ModelSettings, SamplingSettings {
  readonly path: string;
  readonly unsaved?: Readonly<Record<string, string>>;
}

export interface GenerateParams extends ModelSettings, SamplingSettings {
  readonly prompt: string;
  readonly chat?: boolean;
}
