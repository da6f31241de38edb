// What the two ways of reading passages with a model share: the request, and the result that becomes an answer.

import type { Citation, Observer, RunStats, SamplingSettings } from "../../protocol.ts";
import type { SourceDocument } from "../documents/document.ts";
import type { LanguageModel } from "../languageModel.ts";
import type { TextPassage } from "./passages.ts";
import type { PromptFormat, Turn } from "./promptFormats/promptFormat.ts";
import type { Interruption } from "./runModel.ts";
import type { ScoredPassage, SearchIndex } from "./searchIndex.ts";

export interface ReadingRequest {
  readonly question: string;
  readonly history: readonly Turn[];
  /** Best first. */
  readonly passages: readonly ScoredPassage[];
  /** All that was read, in its order. */
  readonly documents: readonly SourceDocument[];
  readonly index: SearchIndex;
  readonly model: LanguageModel;
  readonly format: PromptFormat;
  readonly sampling: SamplingSettings;
  /** Refusing is no choice: for measuring how well answers are found, apart from how well they are doubted. */
  readonly mustAnswer?: boolean;
  readonly observer?: Observer;
  readonly signal?: AbortSignal;
}

export interface Reading {
  readonly found: boolean;
  readonly answer: string;
  readonly citations: readonly Citation[];
  /** The passages the model was shown. */
  readonly reread: readonly TextPassage[];
  readonly stats?: RunStats;
  readonly interruption?: Interruption;
  readonly notes: readonly string[];
}
