// Reads tokens into the cache in chunks whose length follows the measured speed.

import { chunkAt } from "./cache/dualChunk.ts";
import type { KvCache } from "./cache/kvCache.ts";
import type { Repetition } from "./cache/repetition.ts";
import { throwIfStopped } from "./errors.ts";
import type { GeneratedRecord } from "./generatedRecord.ts";
import type { CommandList } from "./gpu/commandList.ts";
import type { Gpu } from "./gpu/device.ts";
import { Pacer } from "./gpu/pacer.ts";
import type { Decoder } from "./model/decoder.ts";
import type { CapturedStates } from "./model/layerEncoder.ts";
import { writeStep } from "./model/step.ts";
import { repeatUnrecorded } from "./repeat.ts";

export interface PrefillModel {
  readonly gpu: Gpu;
  readonly decoder: Decoder;
  readonly cache: KvCache;
  /** Where the policy looks at a repeat of what was read. */
  readonly repetition?: Repetition | undefined;
  /** Where generated tokens count as queries of the policy. */
  readonly generated?: GeneratedRecord | undefined;
}

export interface PrefillOptions {
  /** Called when a chunk was submitted, with the tokens it ends at. */
  readonly onPrefill?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The first token behind which the hidden states are looked at; default: the last. */
  readonly firstOutput?: number | undefined;
  /** Layers whose hidden states are wanted of each chunk. */
  readonly captured?: CapturedStates | undefined;
  /** Called behind each chunk, while its rows are in the decoder's activations. */
  readonly onChunk?: (firstToken: number, tokens: number) => Promise<void>;
}

// The first chunk shows how fast the adapter is; a slow one gets through this many tokens of a layer in time.
const CAUTIOUS_TOKENS = 32;
// Tiles of the matrix kernels: shorter chunks waste most of one.
const CHUNK_STEP = 16;

export class Prefill {
  readonly #model: PrefillModel;
  readonly #pacer: Pacer;

  constructor(model: PrefillModel) {
    this.#model = model;
    this.#pacer = new Pacer(model.gpu, CHUNK_STEP);
  }

  /**
   * Append `tokens` from index `first` on to the cache, which holds those before. Returns the rows of the last chunk, whose
   * hidden states, from those of token `firstOutput` on, stay in the decoder's activations.
   * @throws StoppedError when the signal fires; the cache then holds the chunks that were read completely
   */
  async run(tokens: readonly number[], first: number, options: PrefillOptions): Promise<number> {
    const { gpu, decoder, cache } = this.#model;
    const { onPrefill, signal, onChunk, captured, firstOutput = tokens.length - 1 } = options;
    const { eviction, recall } = decoder;
    const interval = eviction?.plan.interval ?? Number.POSITIVE_INFINITY;
    this.#model.generated?.close(Math.min(interval, tokens.length - first));
    if (cache.tokensRead === 0) {
      await recall?.rollBack(0);
      if (decoder.documentRope) cache.ropeLength = tokens.length;
    }
    let chunk = 0;
    for (let start = first; start < tokens.length; start += chunk) {
      throwIfStopped(signal);
      // Evictions come at fixed places, whatever the speed: what is kept does not depend on it.
      const sinceEviction = (start - first) % interval;
      const untilEviction = Math.min(interval - sinceEviction, tokens.length - start);
      const { length } = cache;
      chunk = Math.min(this.#chunkLength(start), untilEviction, this.#untilChunk(length));
      const left = untilEviction - chunk;
      const sample = eviction?.samples.ofPass(chunk, { since: sinceEviction, left, length });
      const ids = tokens.slice(start, start + chunk);
      gpu.buffers.write(decoder.activations.tokens, 0, Uint32Array.from(ids));
      writeStep(gpu, decoder.chunkStep, {
        numTokens: chunk,
        firstPosition: cache.nextPosition,
        firstSlot: length,
      });
      if (sample !== undefined) eviction?.writeSample(sample);
      const output = { sample, captured, firstOutput: firstOutput - start };
      await this.#pacer.run(decoder.prefillLists(chunk, length + chunk, output), chunk, signal);
      cache.append(ids);
      await onChunk?.(start, chunk);
      if (left === 0) await this.#evict(chunk, signal);
      onPrefill?.(start + chunk, tokens.length);
    }
    await this.#pacer.drain(signal);
    return chunk;
  }

  /** Tokens of a pass at the speed measured so far. */
  get passLength(): number {
    return this.#chunkLength(0);
  }

  /** Run a pass over `tokens` tokens that leaves the cache as it is, at the pace of the others. */
  async runAside(
    lists: readonly CommandList[],
    tokens: number,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#pacer.run(lists, tokens, signal);
    await this.#pacer.drain(signal);
  }

  /** Bring a bounded cache down to its budget, behind a chunk of `rows` tokens. */
  async #evict(rows: number, signal: AbortSignal | undefined): Promise<void> {
    const { cache, decoder, repetition } = this.#model;
    const { eviction } = decoder;
    if (repetition && eviction?.willRank(cache)) {
      const chunkLength = (start: number): number => this.#chunkLength(start);
      const parts = { model: this.#model, eviction, repetition, pacer: this.#pacer, chunkLength };
      await repeatUnrecorded(parts, rows, signal);
    }
    await decoder.evict();
  }

  /** Tokens until positions begin anew, when the cache holds `length`. */
  #untilChunk(length: number): number {
    const { dualChunk } = this.#model.decoder;
    return dualChunk ? chunkAt(dualChunk.chunk, length).left : Number.POSITIVE_INFINITY;
  }

  /** Tokens of the pass that begins with token `start`. */
  #chunkLength(start: number): number {
    const { activations, sparsePrefill } = this.#model.decoder;
    const { chunkLength } = activations;
    // What a pass attends to depends on where it begins and ends: that must not depend on the speed.
    if (sparsePrefill !== undefined) return chunkLength - (start % chunkLength);
    const units = this.#pacer.unitsPerList(CAUTIOUS_TOKENS);
    const rounded = Math.max(CHUNK_STEP, Math.floor(units / CHUNK_STEP) * CHUNK_STEP);
    return Math.min(chunkLength, rounded);
  }
}
