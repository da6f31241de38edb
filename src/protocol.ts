// Every message between the webview, the extension host and the engine, typed once. Imports nothing.
// The command line calls the same operations in process, so these types are also its JSON.

/** Raised whenever a message changes meaning; engine and client refuse each other on a mismatch. */
export const PROTOCOL_VERSION = 1;

/** Codes of the errors an engine answers a request with. */
export const ERROR_CODES = {
  /** A failure the user can act on; the message is the whole story. */
  user: 1,
  /** The token is wrong or missing: the connection ends. */
  unauthorised: 2,
  /** Client and engine speak different protocols: the connection ends. */
  protocolVersion: 3,
  /** The request was cancelled (JSON-RPC's RequestCancelled, as in the Language Server Protocol). */
  stopped: -32800,
} as const;

/** How windows find the running engine: a file only its owner can read, beside the socket. */
export interface EngineRecord {
  readonly pid: number;
  /** Path of the Unix socket, or name of the named pipe. */
  readonly socket: string;
  /** Secret of the handshake. */
  readonly token: string;
  readonly protocolVersion: number;
}

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

/** Where a piece of text comes from. Lines are 1-based in the source; offsets are code points in the text that was read. */
export interface Anchor {
  readonly offset: number;
  readonly line?: number;
  readonly page?: number;
  readonly heading?: string;
}

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

export interface Passage {
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly page?: number;
  readonly score: number;
  readonly text: string;
}

export interface Citation {
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly page?: number;
  readonly quote: string;
  /** True only if the model's own text occurs in the cited lines and `quote` is a substring of them (white space folded). */
  readonly verified: boolean;
  /** `answer`: the model's text; `passage`: merely shown beside the answer. */
  readonly origin: "answer" | "passage";
  /** What led to these lines where a cache was asked as well: the search, tokens that the cache recalled, or both. */
  readonly evidence?: "search" | "cache" | "both";
}

export interface Coverage {
  readonly tokensTotal: number;
  readonly tokensSearched: number;
  readonly tokensInCache: number;
  readonly tokensReread: number;
  readonly skipped: readonly Skipped[];
}

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

export interface Answer {
  readonly found: boolean;
  readonly answer: string;
  readonly citations: readonly Citation[];
  readonly coverage: Coverage;
  /** Absent when no model ran (no adapter: exact quotes only). */
  readonly stats?: RunStats;
  /** True when the answer was stopped, or the engine was lost, before its end. */
  readonly partial?: boolean;
  /** What the user should know about how the answer came about, one sentence each. */
  readonly notes?: readonly string[];
}

export interface Summary {
  readonly summary: string;
  readonly method: "model" | "extractive";
  readonly sections: readonly {
    readonly title: string;
    readonly summary: string;
    readonly startLine: number;
    readonly endLine: number;
  }[];
  readonly coverage: Coverage;
  readonly stats?: RunStats;
  /** True when it was stopped: the sections that were done. */
  readonly partial?: boolean;
}

export interface ReadResult {
  readonly documents: readonly {
    readonly path: string;
    readonly format: string;
    readonly text: string;
    readonly anchors: readonly Anchor[];
    readonly tokens: number;
  }[];
  readonly skipped: readonly Skipped[];
}

export interface Generation {
  readonly tokens: readonly number[];
  readonly text: string;
  readonly stats: RunStats;
}

export interface ModelInfo {
  readonly id: string;
  readonly path: string;
  readonly name: string;
  readonly architecture: string;
  readonly bytes: number;
  readonly trainedContextLength: number;
  readonly source: "embedded" | "file" | "ollama" | "lm-studio" | "hugging-face" | "lectern";
  /** Absent when it can run; else why it cannot. */
  readonly problem?: string;
}

export interface AdapterInfo {
  readonly name: string;
  readonly vendor: string;
  readonly backend: string;
  readonly isSoftware: boolean;
  readonly features: readonly string[];
}

/** What the status bar shows. */
export type EngineStatus =
  | { readonly state: "starting" | "idle" | "stopped" }
  | { readonly state: "loading"; readonly model: string }
  | { readonly state: "busy"; readonly activity: string; readonly fraction?: number }
  | { readonly state: "failed"; readonly message: string };

export interface Progress {
  readonly phase:
    | "load"
    | "walk"
    | "read"
    | "index"
    | "search"
    | "prefill"
    | "decode"
    | "summarize";
  readonly done: number;
  readonly total: number;
  readonly unit: "tokens" | "files" | "bytes" | "parts";
  readonly ratePerSecond?: number;
  readonly remainingMs?: number;
  readonly detail?: string;
}

export interface EngineSnapshot {
  readonly status: EngineStatus;
  readonly adapter?: AdapterInfo;
  readonly model?: ModelInfo;
  readonly node: { readonly executable: string; readonly version: string };
  readonly pid: number;
  readonly uptimeMs: number;
  readonly hostBytes: number;
  readonly gpuBytes: Readonly<Record<string, number>>;
  readonly clients: number;
  readonly cache?: CacheStats;
  readonly lastRun?: RunStats;
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

export interface SummarizeParams extends ModelSettings, SamplingSettings {
  readonly path: string;
  readonly unsaved?: Readonly<Record<string, string>>;
}

export interface GenerateParams extends ModelSettings, SamplingSettings {
  readonly prompt: string;
  readonly chat?: boolean;
}

/** Requests a client sends to the engine: params and result, inferred on both sides. */
export interface Requests {
  initialize: {
    params: { readonly token: string; readonly protocolVersion: number; readonly client: string };
    result: EngineSnapshot;
  };
  ask: { params: AskParams & Stream; result: Answer };
  summarize: { params: SummarizeParams & Stream; result: Summary };
  generate: { params: GenerateParams & Stream; result: Generation };
  ingest: { params: IngestParams & Stream; result: Ingestion };
  savedCaches: {
    params: { readonly cacheDir?: string };
    result: SavedCaches;
  };
  fidelity: { params: IngestParams & Stream; result: Fidelity };
  /** Null where no saved cache is loaded. */
  cacheMap: { params: Record<string, never>; result: { readonly map: CacheMap | null } };
  read: { params: { readonly paths: readonly string[] } & Stream; result: ReadResult };
  search: {
    params: {
      readonly paths: readonly string[];
      readonly question: string;
      readonly limit?: number;
    } & Stream;
    result: { readonly passages: readonly Passage[]; readonly skipped: readonly Skipped[] };
  };
  models: { params: Record<string, never>; result: { readonly models: readonly ModelInfo[] } };
  snapshot: { params: Record<string, never>; result: EngineSnapshot };
  shutdown: { params: Record<string, never>; result: null };
}

/** Long requests carry a client-chosen id; their events bear it. */
export interface Stream {
  readonly streamId?: string;
}

/** Notifications the engine sends. */
export interface Events {
  status: EngineStatus;
  progress: { readonly streamId: string; readonly progress: Progress };
  token: { readonly streamId: string; readonly text: string };
  log: { readonly level: "debug" | "info" | "warn" | "error"; readonly message: string };
}

/** What an operation reports while it runs. */
export interface Observer {
  progress?(progress: Progress): void;
  token?(text: string): void;
  log?(level: Events["log"]["level"], message: string): void;
}

/** The engine as its clients see it: implemented in process (command line) and over the socket (extension). */
export interface EngineApi {
  ask(params: AskParams, observer: Observer, signal: AbortSignal): Promise<Answer>;
  summarize(params: SummarizeParams, observer: Observer, signal: AbortSignal): Promise<Summary>;
  generate(params: GenerateParams, observer: Observer, signal: AbortSignal): Promise<Generation>;
  ingest(params: IngestParams, observer: Observer, signal: AbortSignal): Promise<Ingestion>;
  savedCaches(
    params: Requests["savedCaches"]["params"],
  ): Promise<Requests["savedCaches"]["result"]>;
  cacheMap(): Promise<Requests["cacheMap"]["result"]>;
  fidelity(params: IngestParams, observer: Observer, signal: AbortSignal): Promise<Fidelity>;
  read(
    params: Requests["read"]["params"],
    observer: Observer,
    signal: AbortSignal,
  ): Promise<ReadResult>;
  search(
    params: Requests["search"]["params"],
    observer: Observer,
    signal: AbortSignal,
  ): Promise<Requests["search"]["result"]>;
  models(): Promise<Requests["models"]["result"]>;
  snapshot(): Promise<EngineSnapshot>;
}

/** One question and its answer as the chat shows them. */
export interface ChatTurn {
  readonly id: string;
  readonly kind: "ask" | "summarize";
  readonly question: string;
  /** What was asked about, as the user knows it: "Workspace", "moby-dick.txt". */
  readonly scope: string;
  readonly state: "running" | "stopping" | "done" | "stopped" | "failed";
  /** Markdown; grows while the answer streams. */
  readonly answer: string;
  readonly found?: boolean;
  readonly citations: readonly ChatCitation[];
  readonly coverage?: Coverage;
  readonly notes: readonly string[];
  readonly stats?: RunStats;
  readonly progress?: Progress;
  readonly error?: { readonly message: string; readonly action?: ChatAction };
}

/** A citation with the label its chip bears: the path as the workspace names it. */
export interface ChatCitation extends Citation {
  readonly label: string;
}

/** What a button in the chat makes the extension do. */
export type ChatAction =
  | "chooseScope"
  | "chooseModel"
  | "showHistory"
  | "showCacheStats"
  | "showLog"
  | "restartEngine"
  | "openFolder"
  | "manageTrust";

/** Everything around the transcript: what a question would be about and who would answer it. */
export interface ChatSurroundings {
  readonly scope: { readonly kind: "workspace" | "file" | "path"; readonly label: string };
  /** False when there is nothing to ask about yet. */
  readonly hasScope: boolean;
  readonly isTrusted: boolean;
  readonly model: string;
  readonly engine: EngineStatus;
  readonly suggestions: readonly string[];
}

/** Messages from the extension host to the chat's webview. */
export type ToWebview =
  | {
      readonly type: "state";
      readonly turns: readonly ChatTurn[];
      readonly surroundings: ChatSurroundings;
      /** Translations by English text; empty in English. */
      readonly strings: Readonly<Record<string, string>>;
    }
  | { readonly type: "turn"; readonly turn: ChatTurn }
  | { readonly type: "token"; readonly turnId: string; readonly text: string }
  | { readonly type: "progress"; readonly turnId: string; readonly progress: Progress }
  | { readonly type: "surroundings"; readonly surroundings: ChatSurroundings }
  | { readonly type: "focus" };

/** Messages from the chat's webview to the extension host. */
export type FromWebview =
  | { readonly type: "ready" | "stop" | "newChat" }
  | { readonly type: "ask"; readonly question: string }
  | { readonly type: "retry"; readonly turnId: string }
  | { readonly type: "copy"; readonly turnId: string }
  | { readonly type: "openCitation"; readonly turnId: string; readonly index: number }
  | { readonly type: "action"; readonly action: ChatAction };
