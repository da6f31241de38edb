// When a crashed engine is started again: at most four times in three minutes, each time after a longer pause.
// The rule is that of VS Code's language clients.

const MAX_RESTARTS = 4;
const WINDOW_MS = 3 * 60_000;
const FIRST_PAUSE_MS = 100;

export class RestartPolicy {
  #crashes: number[] = [];

  /**
   * Note a crash at `now` (milliseconds of a monotonic clock).
   * @returns the pause in milliseconds before the next start, or undefined when there have been too many
   */
  crashed(now: number): number | undefined {
    this.#crashes = [...this.#crashes.filter((crash) => now - crash < WINDOW_MS), now];
    const numCrashes = this.#crashes.length;
    if (numCrashes > MAX_RESTARTS) return undefined;
    return FIRST_PAUSE_MS * 3 ** (numCrashes - 1);
  }

  /** Whether a start at `now` is allowed again after too many crashes. */
  mayStart(now: number): boolean {
    return this.#crashes.filter((crash) => now - crash < WINDOW_MS).length <= MAX_RESTARTS;
  }

  /** Forget past crashes: the user asked for a restart. */
  reset(): void {
    this.#crashes = [];
  }
}
