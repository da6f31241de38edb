// The ways to answer a question about a document that suites compare: the product's own, and trivial ones.

import { answerQuestion } from "../../engine/answer/answerQuestion.ts";
import { splitPassages } from "../../engine/answer/passages.ts";
import { choosePromptFormat } from "../../engine/answer/promptFormats/index.ts";
import { readTogether } from "../../engine/answer/readTogether.ts";
import type { ScoredPassage } from "../../engine/answer/searchIndex.ts";
import { readDocuments } from "../../engine/documents/readDocuments.ts";
import type { Citation, ModelSettings } from "../../protocol.ts";
import type { EvalTools } from "./evalTools.ts";
import type { Method } from "./suite.ts";

export interface Answered {
  readonly found: boolean;
  readonly answer: string;
  readonly citations: readonly Citation[];
}

export interface Answerer extends Method {
  answer(tools: EvalTools, path: string, question: string): Promise<Answered>;
}

/** A span and its citation. */
const MAX_ANSWER_TOKENS = 48;
const NUM_SEARCHED = 24;
const NUM_FIRST = 200;
/** As `ingest` plans a bounded cache: room for a chunk, a question and an answer behind the budget. */
const SINKS_CHUNK = 256;
const SINKS_ROOM = 80;

/** By the name that tables and `--only` know them by. */
export const answerers = {
  ask: {
    title: "`ask`",
    answer: (tools, path, question) => askEngine(tools, { path, question }),
  },
  cache: {
    title: "`ask --no-retrieval`",
    answer: (tools, path, question) => askEngine(tools, { path, question, noRetrieval: true }),
  },
  search: {
    title: "search without a model",
    isBaseline: true,
    answer: ({ shelf, model, work }, path, question) =>
      answerQuestion({ paths: [path], question }, { shelf, tokenizer: model.tokenizer }, work),
  },
  window: {
    title: "search, one native window",
    isBaseline: true,
    answer: (tools, path, question) =>
      answerFromWindow(tools, { path, question, isSearched: true }),
  },
  truncation: {
    title: "truncated to the native window",
    isBaseline: true,
    answer: (tools, path, question) =>
      answerFromWindow(tools, { path, question, isSearched: false }),
  },
  sinks: {
    title: "sinks and recent tokens",
    isBaseline: true,
    answer: (tools, path, question) =>
      askEngine(tools, { path, question, noRetrieval: true, settings: sinksSettings(tools) }),
  },
} as const satisfies Record<string, Answerer>;

export type AnswererId = keyof typeof answerers;

/** Some of the answerers as a suite's methods, in the order of their names. */
export function someAnswerers(ids: readonly AnswererId[]): Record<string, Answerer> {
  return Object.fromEntries(ids.map((id) => [id, answerers[id]]));
}

interface Asked {
  readonly path: string;
  readonly question: string;
}

/** The model's cache alone under settings of its own, such as a policy or a scaling. */
export function answerFromCache(
  tools: EvalTools,
  asked: Asked & { readonly settings: ModelSettings },
): Promise<Answered> {
  return askEngine(tools, { ...asked, noRetrieval: true });
}

function askEngine(
  { engine, settings, work }: EvalTools,
  asked: Asked & { readonly noRetrieval?: true; readonly settings?: ModelSettings },
): Promise<Answered> {
  const { path, question, noRetrieval } = asked;
  return engine.ask(
    {
      ...settings,
      ...asked.settings,
      paths: [path],
      question,
      ...(noRetrieval && { noRetrieval }),
    },
    work.observer,
    work.signal,
  );
}

/** StreamingLLM with the largest budget that keeps every position within the trained length. */
export function sinksSettings({ model: { trainedContextLength } }: EvalTools): ModelSettings {
  const cacheBudget = Math.max(64, trainedContextLength - SINKS_CHUNK - SINKS_ROOM);
  return { cachePolicy: "streaming-llm", cacheBudget, cacheRecall: 0, chunkLength: SINKS_CHUNK };
}

// The model alone, once, over as many passages as the trained length holds: the best, or the first of the document.
async function answerFromWindow(
  { engine, settings, shelf, work }: EvalTools,
  { path, question, isSearched }: Asked & { readonly isSearched: boolean },
): Promise<Answered> {
  const { documents } = await readDocuments([path], { ...work, library: shelf.library });
  await shelf.index.add(documents, work);
  const passages = isSearched
    ? shelf.index.search(documents, { text: question }, NUM_SEARCHED)
    : documents.flatMap(splitPassages).slice(0, NUM_FIRST).map(earlierIsBetter);
  return engine.use(settings, work, ({ model }) =>
    readTogether({
      question,
      history: [],
      passages,
      documents,
      index: shelf.index,
      model,
      format: choosePromptFormat(model.metadata),
      sampling: { temperature: 0, maxTokens: MAX_ANSWER_TOKENS },
      ...work,
    }),
  );
}

function earlierIsBetter(
  passage: Omit<ScoredPassage, "score">,
  i: number,
  all: readonly unknown[],
): ScoredPassage {
  return { ...passage, score: all.length - i };
}
