// Decoding without waiting for the host: steps are submitted ahead, each reading the token the one before drew on the GPU;
// the host reads the tokens behind them.

import { untilStopped } from "./errors.ts";
import { BufferUsage } from "./gpu/bufferUsage.ts";
import type { CommandList } from "./gpu/commandList.ts";
import { DRAWN_SIZE } from "./model/operations/sampler.ts";
import type { PrefillModel } from "./prefill.ts";

// The next request waits for what was submitted ahead of a stop.
const BATCH_MS = 30;
const MAX_BATCH_STEPS = 16;
const MAX_BATCHES = 3;
const STAGING_BYTES = 4 * MAX_BATCH_STEPS;

export class DecodeAhead {
  readonly #model: PrefillModel;
  readonly #staging: GPUBuffer[] = [];
  readonly #freeStaging: GPUBuffer[] = [];
  /** Tokens of each batch submitted and not yet read. */
  readonly #batches: Promise<Uint32Array>[] = [];
  /** Slot of the token drawn next. */
  #slot = 0;
  #end = 0;
  #stepMs: number | undefined;
  #lastDoneMs = 0;

  constructor(model: PrefillModel) {
    this.#model = model;
  }

  /** Draw the token of `slot` with `first`, then decode until that of slot `end − 1` is drawn. */
  begin(first: CommandList, slot: number, end: number): void {
    this.#slot = slot;
    this.#end = end;
    this.#lastDoneMs = performance.now();
    this.#submit([first]);
  }

  /** Slots the steps submitted so far will have filled. */
  get slotsFilled(): number {
    return this.#slot - 1;
  }

  /**
   * The next tokens drawn, in order; none when `end` was reached.
   * @throws StoppedError as soon as the signal fires
   */
  async next(signal: AbortSignal | undefined): Promise<Uint32Array> {
    while (this.#batches.length < this.#batchesAhead() && this.#slot < this.#end) {
      const steps = Math.min(this.#batchSteps(), this.#end - this.#slot);
      this.#submit(
        Array.from({ length: steps }, (_, step) =>
          // The step that draws the token of slot s reads the one before and attends to s slots.
          this.#model.decoder.decodeList(this.#slot + step),
        ),
      );
    }
    const [batch] = this.#batches;
    if (batch === undefined) return new Uint32Array();
    const tokens = await untilStopped(batch, signal);
    this.#batches.shift();
    return tokens;
  }

  /** Drop the tokens of the steps that ran ahead. The steps run to their end, in front of whatever is submitted next. */
  abandon(): void {
    this.#end = this.#slot;
    this.#batches.length = 0;
  }

  dispose(): void {
    for (const buffer of this.#staging.splice(0)) this.#model.gpu.buffers.release(buffer);
  }

  /** Batches submitted and not yet read: enough to keep the GPU busy, one where a step alone takes long. */
  #batchesAhead(): number {
    if (this.#stepMs === undefined) return 2;
    return Math.max(1, Math.min(MAX_BATCHES, Math.floor((MAX_BATCHES * BATCH_MS) / this.#stepMs)));
  }

  #batchSteps(): number {
    if (this.#stepMs === undefined) return 1;
    return Math.max(1, Math.min(MAX_BATCH_STEPS, Math.floor(BATCH_MS / this.#stepMs)));
  }

  #submit(lists: readonly CommandList[]): void {
    const { gpu, decoder } = this.#model;
    const staging = this.#takeStaging();
    gpu.submit(lists, (encoder) => {
      for (let i = 0; i < lists.length; i++) {
        const index = (this.#slot + i) % DRAWN_SIZE;
        encoder.copyBufferToBuffer(decoder.sampler.drawn, 4 * index, staging, 4 * i, 4);
      }
    });
    this.#slot += lists.length;
    const tokens = this.#readBack(staging, lists.length);
    // A lost device rejects every batch; whoever waits for the first one reports it.
    tokens.catch(() => undefined);
    this.#batches.push(tokens);
  }

  async #readBack(staging: GPUBuffer, count: number): Promise<Uint32Array> {
    await this.#model.gpu.mapped(staging);
    const tokens = new Uint32Array(staging.getMappedRange(0, 4 * count).slice(0));
    staging.unmap();
    this.#freeStaging.push(staging);
    const nowMs = performance.now();
    const stepMs = (nowMs - this.#lastDoneMs) / count;
    this.#lastDoneMs = nowMs;
    this.#stepMs = ((this.#stepMs ?? stepMs) + stepMs) / 2;
    return tokens;
  }

  #takeStaging(): GPUBuffer {
    const free = this.#freeStaging.pop();
    if (free !== undefined) return free;
    const staging = this.#model.gpu.buffers.allocate({
      purpose: "staging",
      bytes: STAGING_BYTES,
      usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST,
    });
    this.#staging.push(staging);
    return staging;
  }
}
