// A loaded model as the answer pipeline sees it: tokens in, tokens out. Hides the GPU.

import type { CacheStats, RunStats, SamplingSettings } from "../protocol.ts";
import type { SpanPointer } from "./answer/pointer/pointing.ts";
import type { CacheKeeper } from "./cache/cacheKeeper.ts";
import type { TimedWork } from "./gpu/profiler.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

export interface GenerateRequest extends SamplingSettings {
  /** The whole prompt, BOS included where the model wants it. */
  readonly prompt: readonly number[];
  /** Go on past end tokens, so that a measurement decodes as many tokens as it asked for. */
  readonly ignoreEnd?: boolean;
  /** Called after each prefilled chunk. */
  readonly onPrefill?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A continuation of a prompt. */
export interface Branch {
  /** At least one. */
  readonly tokens: readonly number[];
  /** What is asked for behind each of them. */
  readonly wanted: readonly (readonly number[])[];
}

/** A drawn token and the text that it completes; text that ends inside of a character comes behind the last token, with none of its own. */
export interface Piece {
  readonly token: number | undefined;
  readonly text: string;
}

export interface LanguageModel {
  readonly name: string;
  readonly architecture: string;
  readonly tokenizer: Tokenizer;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly trainedContextLength: number;
  /** Tokens a prompt and its answer may take together, after scaling and settings. */
  readonly contextLength: number;
  /**
   * Prefill in chunks, then decode; yields each new token's id and the text it completed. Returns the measured stats.
   * Ends at an end token, a stop string or maxTokens; throws StoppedError when the signal fires, with the cache rolled back.
   */
  generate(request: GenerateRequest): AsyncGenerator<Piece, RunStats>;
  /** Teacher-forced −ln p(token[i+1] | token[0..i]), length tokens.length − 1. */
  scoreTokens(
    tokens: readonly number[],
    options?: { onPrefill?: (done: number, total: number) => void; signal?: AbortSignal },
  ): Promise<Float32Array>;
  /**
   * ln p of tokens that may follow: `wanted[i]` are those asked for behind the i-th of the last `wanted.length` tokens. What
   * the cache holds already is read again only for these rows, so a second continuation of a prompt costs little more than itself.
   */
  logProbabilities(
    tokens: readonly number[],
    wanted: readonly (readonly number[])[],
    options?: { onPrefill?: (done: number, total: number) => void; signal?: AbortSignal },
  ): Promise<number[][]>;
  /**
   * The same behind several continuations of one prompt, which read its tokens once and are read side by side where the cache
   * allows it.
   */
  branchLogProbabilities(
    prompt: readonly number[],
    branches: readonly Branch[],
    options?: { onPrefill?: (done: number, total: number) => void; signal?: AbortSignal },
  ): Promise<number[][][]>;
  /** Points at answers in a passage. Absent where none was trained over this model. */
  readonly pointer?: SpanPointer;
  cacheStats(): CacheStats;
  /**
   * Allocates nothing.
   * @throws UserError where a prompt and its answer of so many tokens together cannot be held
   */
  requireRoom?(tokens: number): void;
  /**
   * GPU time of each kernel while `work` runs, which takes longer than without.
   * @throws UserError where the adapter has no timestamps
   */
  timeKernels?<T>(work: () => Promise<T>): Promise<TimedWork<T>>;
  /** Reads without answering, saves and restores what was read. Absent where there is no cache to keep. */
  readonly keeper?: CacheKeeper;
  dispose(): void;
}
