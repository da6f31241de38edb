// A model on the GPU as a LanguageModel: prefill what the cache lacks, decode ahead, roll back what nobody wanted.

import type { CacheStats, PrefillStats, RunStats } from "../protocol.ts";
import type { PointerWeights } from "./answer/pointer/pointerWeights.ts";
import type { SpanPointer } from "./answer/pointer/pointing.ts";
import { BranchReader } from "./branchReader.ts";
import { type CacheIdentity, CacheKeeper, type ReadOptions } from "./cache/cacheKeeper.ts";
import { wholeCacheStats } from "./cache/cacheStats.ts";
import { deviceDigest } from "./cache/deviceDigest.ts";
import { DecodeAhead } from "./decodeAhead.ts";
import { decodedText } from "./decodedText.ts";
import { throwIfStopped, UserError } from "./errors.ts";
import { type TimedWork, timeKernels } from "./gpu/profiler.ts";
import type { Branch, GenerateRequest, LanguageModel, Piece } from "./languageModel.ts";
import { writeStep } from "./model/step.ts";
import { Prefill, type PrefillModel, type PrefillOptions } from "./prefill.ts";
import { PromptReader } from "./questionPass.ts";
import { readLogProbabilities } from "./readLogProbabilities.ts";
import { readStates } from "./readStates.ts";
import { requireCacheRoom, requireContext } from "./requireRoom.ts";
import { Clock, type RunTokens, runStats } from "./runStats.ts";
import { readLogits, scoreTokens } from "./teacherForced.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

export interface GpuModelParts extends PrefillModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly contextLength: number;
  readonly cacheIdentity: CacheIdentity;
  /** Of the pointer that was trained over this model. */
  readonly pointer?: PointerWeights | undefined;
  /** See KeeperParts. */
  readonly sharesBlocks: boolean;
  /** Frees weights and what belongs to them. */
  dispose(): void;
}

// More than the matrix kernels for single tokens take, so that those for chunks run as well.
const WARM_UP_TOKENS = 8;

export class GpuLanguageModel implements LanguageModel {
  readonly name: string;
  readonly architecture: string;
  readonly tokenizer: Tokenizer;
  readonly metadata: ReadonlyMap<string, unknown>;
  readonly trainedContextLength: number;
  readonly contextLength: number;
  readonly keeper: CacheKeeper;
  readonly pointer?: SpanPointer;
  readonly #parts: GpuModelParts;
  #prefill: Prefill;
  readonly #branches: BranchReader;
  readonly #ahead: DecodeAhead;

  constructor(parts: GpuModelParts) {
    const { config } = parts.decoder;
    this.name = parts.name;
    this.architecture = config.architecture;
    this.tokenizer = parts.tokenizer;
    this.metadata = parts.metadata;
    this.trainedContextLength = config.trainedContextLength;
    this.contextLength = parts.contextLength;
    this.#parts = parts;
    this.#prefill = new Prefill(parts);
    this.#branches = new BranchReader(parts);
    this.#ahead = new DecodeAhead(parts);
    const { pointer } = parts;
    if (pointer) {
      const states = (tokens: readonly number[], options: PrefillOptions = {}) => {
        this.#checkTokens(tokens);
        return readStates(parts, this.#prefill, { ...options, tokens, layers: pointer.layers });
      };
      this.pointer = { weights: pointer, states };
    }
    this.keeper = new CacheKeeper({
      ...{ gpu: parts.gpu, cache: parts.cache, decoder: parts.decoder },
      ...{ identity: parts.cacheIdentity, sharesBlocks: parts.sharesBlocks },
      device: deviceDigest(parts.gpu),
      settle: () => parts.generated?.settle(),
      parts: [
        ...(parts.decoder.recall ? [parts.decoder.recall.saved] : []),
        ...(parts.cache.tail ? [parts.cache.tail] : []),
        ...(parts.generated ? [parts.generated] : []),
      ],
      read: (tokens, from, options) => this.#readOn(tokens, from, options),
      readLogits: async (tokens, onLogits, options) => {
        this.#checkTokens(tokens);
        const first = parts.cache.resume(tokens);
        await readLogits(parts, this.#prefill, { tokens, first, onLogits, ...options });
      },
      recall: async (tokens, { signal }) => {
        const first = await this.#resume(tokens, 0);
        const reader = new PromptReader(parts, this.#prefill);
        try {
          await reader.run(tokens, first, { signal });
        } finally {
          reader.forget();
        }
        return parts.decoder.recall?.weights ?? new Map();
      },
      measure: async (tokens, work) => {
        const clock = this.#clock();
        await work();
        clock.prefilled();
        return await this.#stats(clock, { prompt: tokens, read: tokens, generated: 0 });
      },
    });
  }

  /**
   * Run a few tokens through every kernel: drivers compile at the first use, some for seconds, and that is part of loading.
   */
  async warmUp(signal?: AbortSignal): Promise<void> {
    const prompt = new Array<number>(Math.min(WARM_UP_TOKENS, this.contextLength - 2)).fill(0);
    if (prompt.length < 1) return;
    const generation = this.generate({ prompt, maxTokens: 2, ...(signal && { signal }) });
    while (!(await generation.next()).done);
    this.#parts.cache.clear();
    // A pace measured while compiling would say that the adapter is slow.
    this.#prefill = new Prefill(this.#parts);
  }

  async *generate(request: GenerateRequest): AsyncGenerator<Piece, RunStats> {
    const { prompt, signal } = request;
    const { cache, decoder } = this.#parts;
    this.#checkTokens(prompt);
    const room = this.#roomBehind(prompt.length);
    if (room === 0 && request.maxTokens !== 0) {
      throw new UserError(
        `The prompt's ${prompt.length} tokens fill the context of ${this.contextLength}, which leaves no room for an answer: shorten it or raise the context length.`,
      );
    }
    const end = prompt.length + Math.min(request.maxTokens ?? room, room);
    const clock = this.#clock();
    let generated = 0;
    let read = 0;
    if (end > prompt.length) {
      const first = await this.#resume(prompt, end - prompt.length);
      read = prompt.length - first;
      const reader = new PromptReader(this.#parts, this.#prefill);
      const { onPrefill } = request;
      const rows = await reader.run(prompt, first, { signal, onPrefill });
      clock.prefilled();
      decoder.sampler.begin(request, prompt);
      const filled = cache.length;
      const { generated: record } = this.#parts;
      record?.begin();
      this.#begin(rows, end - prompt.length);
      const kept: number[] = [];
      const decoding = { ahead: this.#ahead, tokenizer: this.tokenizer, generated: record };
      try {
        for await (const piece of decodedText(decoding, request, kept)) {
          generated = kept.length;
          if (piece.token !== undefined) clock.token();
          yield piece;
        }
      } finally {
        this.#ahead.abandon();
        // Slots behind the last token kept hold keys of tokens nobody saw.
        const held = kept.slice(0, Math.max(0, this.#ahead.slotsFilled - filled));
        cache.append(held);
        record?.end(held.length);
        reader.forget();
      }
    }
    throwIfStopped(signal);
    return await this.#stats(clock, { prompt: prompt.length, read, generated });
  }

  async scoreTokens(
    tokens: readonly number[],
    options: { onPrefill?: (done: number, total: number) => void; signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    this.#checkTokens(tokens);
    this.#parts.decoder.sparsePrefill?.begin();
    return scoreTokens(this.#parts, this.#prefill, { tokens, ...options });
  }

  async logProbabilities(
    tokens: readonly number[],
    wanted: readonly (readonly number[])[],
    options: PrefillOptions = {},
  ): Promise<number[][]> {
    this.#checkTokens(tokens);
    const first = this.#parts.cache.resume(tokens, wanted.length);
    const reader = new PromptReader(this.#parts, this.#prefill);
    try {
      return await readLogProbabilities(this.#parts, reader, { ...options, tokens, first, wanted });
    } finally {
      reader.forget();
    }
  }

  async branchLogProbabilities(
    prompt: readonly number[],
    branches: readonly Branch[],
    options: PrefillOptions = {},
  ): Promise<number[][][]> {
    const { decoder } = this.#parts;
    const longest = Math.max(0, ...branches.map(({ tokens }) => tokens.length));
    if (!decoder.canBranch || longest > decoder.activations.chunkLength) {
      const found: number[][][] = [];
      for (const { tokens, wanted } of branches)
        found.push(await this.logProbabilities([...prompt, ...tokens], wanted, options));
      return found;
    }
    for (const { tokens } of branches) this.#checkTokens([...prompt, ...tokens]);
    return this.#branches.read(this.#prefill, { prompt, branches, ...options });
  }

  /** How sparse the last run's attention was; `undefined` where prefill is dense. */
  async prefillStats(): Promise<PrefillStats | undefined> {
    return this.#parts.decoder.sparsePrefill?.stats();
  }

  cacheStats(): CacheStats {
    const { cache, decoder } = this.#parts;
    const trunkBytes = this.keeper.trunk?.copiedBytes ?? 0;
    return wholeCacheStats(cache.stats(), { recall: decoder.recall?.stats(), trunkBytes });
  }

  requireRoom(tokens: number): void {
    requireContext(tokens, this.contextLength);
    const { cache, gpu } = this.#parts;
    requireCacheRoom(tokens, cache, gpu.capabilities.isSoftware);
  }

  timeKernels<T>(work: () => Promise<T>): Promise<TimedWork<T>> {
    return timeKernels(this.#parts.gpu, work);
  }

  dispose(): void {
    this.keeper.dispose();
    this.#ahead.dispose();
    this.#branches.dispose();
    this.#parts.generated?.dispose();
    this.#parts.dispose();
  }

  /** Go back to what the prompt shares with the cache, and make room for the rest and `generated` tokens; returns the first to read. */
  async #resume(prompt: readonly number[], generated: number): Promise<number> {
    const { cache, decoder } = this.#parts;
    const first = cache.resume(prompt);
    await decoder.reserve(cache.slotsFor(prompt.length - first, generated));
    return first;
  }

  /** Read the tokens behind the first `from`, which the cache holds; with 0 into an empty cache. */
  async #readOn(tokens: readonly number[], from: number, options: ReadOptions): Promise<void> {
    const { cache, decoder } = this.#parts;
    this.#checkTokens(tokens);
    if (from === 0) cache.clear();
    if (from === tokens.length) return;
    await decoder.reserve(cache.slotsFor(tokens.length - from, 1));
    await this.#prefill.run(tokens, from, options);
  }

  /** Tokens that may be generated behind a prompt: by the context, and by the positions of a bounded cache. */
  #roomBehind(promptLength: number): number {
    const { maxSlots, plan } = this.#parts.cache.shape;
    const filled = Math.min(promptLength, plan ? plan.budget + plan.recall : promptLength);
    return Math.min(this.contextLength - promptLength, Math.max(0, maxSlots - filled));
  }

  /** Begin to draw `count` tokens behind what the cache holds. */
  #begin(rows: number, count: number): void {
    const { gpu, decoder, cache } = this.#parts;
    writeStep(gpu, decoder.outputStep, { numTokens: 1, firstPosition: 0, firstSlot: 0 });
    // The step of the prompt's last token: drawing from it moves on to the next one.
    writeStep(gpu, decoder.decodeStep, {
      numTokens: 1,
      firstPosition: cache.nextPosition - 1,
      firstSlot: cache.length - 1,
    });
    this.#ahead.begin(decoder.firstTokenList(rows), cache.length, cache.length + count);
  }

  #checkTokens(tokens: readonly number[]): void {
    const { vocabSize } = this.#parts.decoder.config;
    if (tokens.length === 0) throw new UserError("The prompt is empty: give at least one token.");
    requireContext(tokens.length, this.contextLength);
    const unknown = tokens.find((token) => !(token >= 0 && token < vocabSize));
    if (unknown !== undefined)
      throw new UserError(
        `Token ${unknown} is not in the vocabulary of ${vocabSize}: use this model's own tokens.`,
      );
  }

  /** What a run is measured with. */
  #clock(): Clock {
    this.#parts.decoder.sparsePrefill?.begin();
    return new Clock();
  }

  async #stats(clock: Clock, tokens: RunTokens): Promise<RunStats> {
    const { gpu, decoder } = this.#parts;
    const prefill = await decoder.sparsePrefill?.stats();
    return runStats(clock, tokens, { name: this.name, gpu, cache: this.cacheStats(), prefill });
  }
}
