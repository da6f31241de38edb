// Messages between the extension host and the chat's webview.

import type { Citation, Coverage } from "./answers.ts";
import type { EngineStatus, Progress } from "./engineState.ts";
import type { RunStats } from "./stats.ts";

/** One question and its answer as the chat shows them. */
export interface ChatTurn {
  readonly id: string;
  readonly kind: "ask" | "summarize";
  readonly question: string;
  /** What was asked about, as the user knows it: "Workspace", "moby-dick.txt". */
  readonly scope: string;
  /** The same on disk; absent in turns of earlier versions. */
  readonly paths?: readonly string[];
  readonly state: "running" | "stopping" | "done" | "stopped" | "failed";
  /** Grows while the answer streams; bears no citations, which stand beside it. Markdown, unless `isPlain`. */
  readonly answer: string;
  /** True where it is words of documents, or Lectern's own, to be shown as they stand. Known at its end. */
  readonly isPlain?: boolean;
  /** Of a summary, below its `answer`: citation i leads to section i. */
  readonly sections?: readonly { readonly title: string; readonly summary: string }[];
  readonly found?: boolean;
  readonly citations: readonly ChatCitation[];
  readonly coverage?: Coverage;
  readonly notes: readonly string[];
  readonly stats?: RunStats;
  readonly progress?: Progress;
  readonly error?: { readonly message: string; readonly action?: ChatAction };
}

/** A citation with the label its chip bears: the path as the workspace names it. */
export interface ChatCitation extends Citation {
  readonly label: string;
}

/** What a button in the chat makes the extension do. */
export type ChatAction =
  | "chooseScope"
  | "chooseModel"
  | "showHistory"
  | "showCacheStats"
  | "showLog"
  | "restartEngine"
  | "openFolder"
  | "openSettings"
  | "manageTrust";

/** Everything around the transcript: what a question would be about and who would answer it. */
export interface ChatSurroundings {
  readonly scope: { readonly kind: "workspace" | "file" | "path"; readonly label: string };
  /** False when there is nothing to ask about yet. */
  readonly hasScope: boolean;
  readonly isTrusted: boolean;
  readonly model: string;
  readonly engine: EngineStatus;
  readonly suggestions: readonly string[];
}

/** Messages from the extension host to the chat's webview. */
export type ToWebview =
  | {
      readonly type: "state";
      readonly turns: readonly ChatTurn[];
      readonly surroundings: ChatSurroundings;
      /** Translations by English text; empty in English. */
      readonly strings: Readonly<Record<string, string>>;
    }
  | { readonly type: "turn"; readonly turn: ChatTurn }
  | { readonly type: "token"; readonly turnId: string; readonly text: string }
  | { readonly type: "progress"; readonly turnId: string; readonly progress: Progress }
  | { readonly type: "surroundings"; readonly surroundings: ChatSurroundings }
  | { readonly type: "focus" };

/** Messages from the chat's webview to the extension host. */
export type FromWebview =
  | { readonly type: "ready" | "stop" | "newChat" }
  | { readonly type: "ask"; readonly question: string }
  | { readonly type: "retry"; readonly turnId: string }
  | { readonly type: "copy"; readonly turnId: string }
  | { readonly type: "openCitation"; readonly turnId: string; readonly index: number }
  | { readonly type: "action"; readonly action: ChatAction };
