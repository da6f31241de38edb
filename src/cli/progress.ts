// Progress on standard error: one line rewritten in place on a terminal, a line now and then elsewhere.

import type { Events, Observer, Progress } from "../protocol.ts";

const verbs: Record<Progress["phase"], string> = {
  load: "loading",
  walk: "listing",
  read: "reading",
  index: "indexing",
  search: "searching",
  prefill: "prefilling",
  decode: "answering",
  summarize: "summarising",
};

export interface ProgressOptions {
  readonly verbose: boolean;
  /** Now in milliseconds. */
  readonly now?: () => number;
}

/** Milliseconds between two updates: often on a terminal, seldom in a log. */
const terminalIntervalMs = 100;
const logIntervalMs = 5000;

export class ProgressLine implements Observer {
  readonly #stream: NodeJS.WriteStream;
  readonly #verbose: boolean;
  readonly #now: () => number;
  #phase: Progress["phase"] | undefined;
  #phaseBeganMs = 0;
  #phaseBeganDone = 0;
  #writtenMs: number;
  #isShown = false;

  constructor(
    stream: NodeJS.WriteStream,
    { verbose, now = () => performance.now() }: ProgressOptions,
  ) {
    this.#stream = stream;
    this.#verbose = verbose;
    this.#now = now;
    // The first line of a log waits, so that short runs print none.
    this.#writtenMs = stream.isTTY ? Number.NEGATIVE_INFINITY : now();
  }

  progress(progress: Progress): void {
    const now = this.#now();
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#phaseBeganMs = now;
      this.#phaseBeganDone = progress.done;
    }
    const interval = this.#stream.isTTY ? terminalIntervalMs : logIntervalMs;
    if (now - this.#writtenMs < interval) return;
    this.#writtenMs = now;
    const elapsedMs = now - this.#phaseBeganMs;
    const measured = ((progress.done - this.#phaseBeganDone) / elapsedMs) * 1000;
    const line = progressText({ ratePerSecond: measured, ...progress });
    if (!this.#stream.isTTY) return void this.#stream.write(`${line}\n`);
    // One column is kept free: some terminals wrap when the last one is written.
    const width = (this.#stream.columns ?? 80) - 1;
    this.#stream.write(`\r\x1b[K${line.slice(0, width)}`);
    this.#isShown = true;
  }

  log(level: Events["log"]["level"], message: string): void {
    if (!this.#verbose && (level === "debug" || level === "info")) return;
    this.clear();
    this.#stream.write(`${level === "warn" || level === "error" ? "note: " : ""}${message}\n`);
  }

  /** Remove the rewritten line, before anything else is printed. */
  clear(): void {
    if (this.#isShown) this.#stream.write("\r\x1b[K");
    this.#isShown = false;
  }
}

/** `prefilling 4,096 of 8,192 tokens (50 %), 512 tokens/s, 8 s left` */
export function progressText(progress: Progress): string {
  const { phase, done, total, unit, ratePerSecond = 0, detail } = progress;
  const parts = [`${verbs[phase]} ${count(done)}${total > 0 ? ` of ${count(total)}` : ""} ${unit}`];
  if (total > 0) parts[0] += ` (${Math.min(100, Math.floor((done / total) * 100))} %)`;
  if (Number.isFinite(ratePerSecond) && ratePerSecond > 0) {
    parts.push(
      `${count(ratePerSecond >= 10 ? Math.round(ratePerSecond) : ratePerSecond)} ${unit}/s`,
    );
    const remainingMs = progress.remainingMs ?? ((total - done) / ratePerSecond) * 1000;
    if (total > 0 && done < total) parts.push(`${duration(remainingMs)} left`);
  }
  return parts.join(", ") + (detail ? `: ${detail}` : "");
}

function count(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
