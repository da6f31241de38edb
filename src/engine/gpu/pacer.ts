// Cuts work into submits of about 100 ms by measured speed: Windows resets a GPU that is busy for 2 s, and a stop waits for
// what was submitted.

import { throwIfStopped, untilStopped } from "../errors.ts";
import type { CommandList } from "./commandList.ts";
import type { Gpu } from "./device.ts";

const TARGET_MS = 100;
// One runs while the next is encoded.
const IN_FLIGHT = 2;

/** Submits command lists that each do the same kind of work, such as the layers of a chunk. */
export class Pacer {
  readonly #gpu: Gpu;
  readonly #tile: number;
  #msPerUnit: number | undefined;
  #inFlight: Promise<void>[] = [];
  #lastDoneMs = 0;

  /** `tile`: units that take as long as one; shorter lists say nothing about the speed of others. */
  constructor(gpu: Gpu, tile: number) {
    this.#gpu = gpu;
    this.#tile = tile;
  }

  /** Units of work that one list may hold; `cautious` before anything was measured. */
  unitsPerList(cautious: number): number {
    return this.#msPerUnit === undefined ? cautious : Math.floor(TARGET_MS / this.#msPerUnit);
  }

  /**
   * Submit the lists, each of `units` units of work, as many at once as take about 100 ms. Resolves when all are submitted.
   * @throws StoppedError when the signal fires; what was submitted runs to its end, in front of whatever is submitted next
   */
  async run(lists: readonly CommandList[], units: number, signal?: AbortSignal): Promise<void> {
    for (let next = 0; next < lists.length; ) {
      throwIfStopped(signal);
      const fitting = Math.floor(this.unitsPerList(units) / units);
      const count = Math.max(1, Math.min(fitting, lists.length - next));
      const group = lists.slice(next, next + count);
      // A short list by itself says nothing about the others, and one shorter than a tile nothing about any.
      const isTelling = units >= this.#tile && !(group.every(isShort) && !lists.every(isShort));
      this.#submit(group, units, isTelling);
      next += count;
      await this.#wait(IN_FLIGHT - 1, signal);
    }
  }

  /** Wait for everything submitted. */
  async drain(signal?: AbortSignal): Promise<void> {
    await this.#wait(0, signal);
  }

  async #wait(remaining: number, signal: AbortSignal | undefined): Promise<void> {
    while (this.#inFlight.length > remaining) {
      await untilStopped(this.#inFlight[0] ?? Promise.resolve(), signal);
      this.#inFlight.shift();
    }
    this.#gpu.check();
  }

  #submit(lists: readonly CommandList[], unitsEach: number, isTelling: boolean): void {
    this.#gpu.submit(lists);
    const submittedMs = performance.now();
    const done = this.#gpu.device.queue.onSubmittedWorkDone().then(() => {
      const nowMs = performance.now();
      const tookMs = (nowMs - Math.max(submittedMs, this.#lastDoneMs)) / (lists.length * unitsEach);
      this.#lastDoneMs = nowMs;
      if (!isTelling) return;
      // Slower at once, faster step by step: a submit too long is worse than one too short.
      const before = this.#msPerUnit ?? tookMs;
      this.#msPerUnit = Math.max(tookMs, (before + tookMs) / 2);
    });
    this.#inFlight.push(done);
  }
}

function isShort(list: CommandList): boolean {
  return list.isShort;
}
