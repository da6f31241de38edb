// The engine's state as the status bar shows it, derived from the operations that run. Changes are told at once,
// mere progress at most ten times a second.

import type { EngineStatus, Progress } from "../protocol.ts";

const PROGRESS_MS = 100;

/** One running operation's way to report. */
export interface Report {
  progress(progress: Progress): void;
  end(): void;
}

export class ServerStatus {
  #current: EngineStatus = { state: "idle" };
  #told = 0;
  readonly #tell: (status: EngineStatus) => void;

  constructor(tell: (status: EngineStatus) => void) {
    this.#tell = tell;
  }

  get current(): EngineStatus {
    return this.#current;
  }

  /** Announce that `activity` has begun. */
  begin(activity: string): Report {
    this.#set({ state: "busy", activity });
    return {
      progress: (progress) => this.#progress(activity, progress),
      end: () => this.#set({ state: "idle" }),
    };
  }

  #progress(activity: string, progress: Progress): void {
    const isLoading = progress.phase === "load";
    const status: EngineStatus = isLoading
      ? { state: "loading", model: progress.detail ?? "" }
      : {
          state: "busy",
          activity: phaseNames[progress.phase] ?? activity,
          ...(progress.total > 0 && progress.phase !== "decode"
            ? { fraction: progress.done / progress.total }
            : {}),
        };
    const isNews = status.state !== this.#current.state || !hasSameActivity(status, this.#current);
    if (isNews || performance.now() - this.#told >= PROGRESS_MS) this.#set(status);
  }

  #set(status: EngineStatus): void {
    this.#current = status;
    this.#told = performance.now();
    this.#tell(status);
  }
}

const phaseNames: Record<Exclude<Progress["phase"], "load">, string> & Record<string, string> = {
  walk: "Finding files",
  read: "Reading",
  index: "Indexing",
  search: "Searching",
  prefill: "Reading passages",
  decode: "Answering",
  summarize: "Summarizing",
};

function hasSameActivity(a: EngineStatus, b: EngineStatus): boolean {
  return a.state === "busy" && b.state === "busy" ? a.activity === b.activity : true;
}
