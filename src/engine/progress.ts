// Progress with a measured rate, and the pauses that let a stop or another request through during long host work.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Observer, Progress } from "../protocol.ts";
import { throwIfStopped } from "./errors.ts";

const REPORT_INTERVAL_MS = 100;
const BREATHE_INTERVAL_MS = 25;

/** Reports one phase of work; calls in between two reports cost next to nothing. */
export class ProgressMeter {
  readonly #observer: Observer | undefined;
  readonly #base: Pick<Progress, "phase" | "unit">;
  readonly #startedMs = performance.now();
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(observer: Observer | undefined, phase: Progress["phase"], unit: Progress["unit"]) {
    this.#observer = observer;
    this.#base = { phase, unit };
  }

  /** `done` of `total` are behind us; a total of 0 means that it is not known. */
  report(done: number, total: number, detail?: string): void {
    if (!this.#observer?.progress) return;
    const now = performance.now();
    if (now - this.#reportedMs < REPORT_INTERVAL_MS && done !== total) return;
    this.#reportedMs = now;
    const elapsedMs = now - this.#startedMs;
    const ratePerSecond = elapsedMs > 0 ? (done / elapsedMs) * 1000 : 0;
    const isKnown = ratePerSecond > 0 && total > 0;
    this.#observer.progress({
      ...this.#base,
      done,
      total,
      ratePerSecond,
      ...(isKnown && { remainingMs: ((total - done) / ratePerSecond) * 1000 }),
      ...(detail !== undefined && { detail }),
    });
  }
}

/** Lets the event loop turn every 25 ms of work, and throws StoppedError once the signal has fired. */
export class Breather {
  readonly #signal: AbortSignal | undefined;
  #lastMs = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** True when it is time to await `breathe`; cheap enough for inner loops. */
  get isDue(): boolean {
    return performance.now() - this.#lastMs > BREATHE_INTERVAL_MS;
  }

  /** Turn the event loop once and check the signal. */
  async breathe(): Promise<void> {
    await nextTurn();
    this.#lastMs = performance.now();
    throwIfStopped(this.#signal);
  }
}
