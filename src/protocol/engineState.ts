// What the engine says of itself: models, adapter, status, progress.

import type { CacheStats, RunStats } from "./stats.ts";

export interface ModelInfo {
  readonly id: string;
  readonly path: string;
  readonly name: string;
  readonly architecture: string;
  readonly bytes: number;
  readonly trainedContextLength: number;
  readonly source: "embedded" | "file" | "ollama" | "lm-studio" | "hugging-face" | "lectern";
  /** Absent when it can run; else why it cannot. */
  readonly problem?: string;
}

export interface AdapterInfo {
  readonly name: string;
  readonly vendor: string;
  readonly backend: string;
  readonly isSoftware: boolean;
  readonly features: readonly string[];
}

/** What the status bar shows. */
export type EngineStatus =
  | { readonly state: "starting" | "idle" | "stopped" }
  | { readonly state: "loading"; readonly model: string }
  | { readonly state: "busy"; readonly activity: string; readonly fraction?: number }
  | { readonly state: "failed"; readonly message: string };

export interface Progress {
  readonly phase:
    | "load"
    | "walk"
    | "read"
    | "index"
    | "search"
    | "prefill"
    | "decode"
    | "summarize";
  readonly done: number;
  readonly total: number;
  readonly unit: "tokens" | "files" | "pages" | "bytes" | "parts";
  readonly ratePerSecond?: number;
  readonly remainingMs?: number;
  readonly detail?: string;
}

export interface EngineSnapshot {
  readonly status: EngineStatus;
  readonly adapter?: AdapterInfo;
  readonly model?: ModelInfo;
  readonly node: { readonly executable: string; readonly version: string };
  readonly pid: number;
  readonly uptimeMs: number;
  readonly hostBytes: number;
  readonly gpuBytes: Readonly<Record<string, number>>;
  readonly clients: number;
  readonly cache?: CacheStats;
  readonly lastRun?: RunStats;
}
