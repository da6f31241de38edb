// What operations on texts give: passages, citations, answers, summaries.

import type { RunStats } from "./stats.ts";

/** Where a piece of text comes from. Lines are 1-based in the source; offsets are code points in the text that was read. */
export interface Anchor {
  readonly offset: number;
  readonly line?: number;
  readonly page?: number;
  readonly heading?: string;
}

export interface Skipped {
  readonly path: string;
  readonly reason: string;
}

export interface Passage {
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly page?: number;
  readonly score: number;
  readonly text: string;
}

export interface Citation {
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly page?: number;
  readonly quote: string;
  /** True only if the model's own text occurs in the cited lines and `quote` is a substring of them (white space folded). */
  readonly verified: boolean;
  /** `answer`: the model's text; `passage`: merely shown beside the answer. */
  readonly origin: "answer" | "passage";
  /** What led to these lines where a cache was asked as well: the search, tokens that the cache recalled, or both. */
  readonly evidence?: "search" | "cache" | "both";
}

export interface Coverage {
  readonly tokensTotal: number;
  readonly tokensSearched: number;
  readonly tokensInCache: number;
  readonly tokensReread: number;
  readonly skipped: readonly Skipped[];
}

export interface Answer {
  readonly found: boolean;
  readonly answer: string;
  /** True where a model wrote the answer in its own words: Markdown. Else it is words of the text, or Lectern's, as they stand. */
  readonly markdown?: boolean;
  readonly citations: readonly Citation[];
  readonly coverage: Coverage;
  /** Absent when no model ran (no adapter: exact quotes only). */
  readonly stats?: RunStats;
  /** True when the answer was stopped, or the engine was lost, before its end. */
  readonly partial?: boolean;
  /** What the user should know about how the answer came about, one sentence each. */
  readonly notes?: readonly string[];
}

export interface Summary {
  readonly summary: string;
  readonly method: "model" | "extractive";
  readonly sections: readonly {
    readonly title: string;
    readonly summary: string;
    readonly startLine: number;
    readonly endLine: number;
  }[];
  readonly coverage: Coverage;
  readonly stats?: RunStats;
  /** True when it was stopped: the sections that were done. */
  readonly partial?: boolean;
}

export interface ReadResult {
  readonly documents: readonly {
    readonly path: string;
    readonly format: string;
    readonly text: string;
    readonly anchors: readonly Anchor[];
    readonly tokens: number;
  }[];
  readonly skipped: readonly Skipped[];
}

export interface Generation {
  readonly tokens: readonly number[];
  readonly text: string;
  readonly stats: RunStats;
}
