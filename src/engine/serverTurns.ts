// One model, one GPU: operations that run the model take turns, first come first served, over all windows.

import { untilStopped } from "./errors.ts";

export class Turns {
  #last: Promise<void> = Promise.resolve();
  #numWaiting = 0;

  /** Operations that hold or wait for a turn. */
  get numWaiting(): number {
    return this.#numWaiting;
  }

  /** Run `work` after all earlier work has ended; throws StoppedError if `signal` fires while waiting. */
  async run<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    const previous = this.#last;
    let release = () => {};
    this.#last = new Promise((resolve) => {
      release = resolve;
    });
    this.#numWaiting++;
    try {
      await untilStopped(previous, signal);
      return await work();
    } finally {
      this.#numWaiting--;
      // A stopped waiter must not let its successor overtake the work still running.
      void previous.then(release);
    }
  }
}
