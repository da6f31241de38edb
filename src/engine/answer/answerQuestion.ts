// A question to its answer: read, search, read the best passages again verbatim, ask the model, check its words against the text.
// Without a model, or where the model finds nothing, the most relevant sentences are quoted and called quotes.

import type { Answer, AskParams, Citation, Coverage, RunStats, Skipped } from "../../protocol.ts";
import type { SourceDocument } from "../documents/document.ts";
import { readDocuments } from "../documents/readDocuments.ts";
import type { LanguageModel } from "../languageModel.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { findOccurrences, type Occurrence, phraseAskedFor } from "./exactSearch.ts";
import { passageText, type TextPassage } from "./passages.ts";
import { findPlaces, placeAskedFor } from "./placeSearch.ts";
import { choosePromptFormat } from "./promptFormats/index.ts";
import { quoteSentences } from "./quoteSentences.ts";
import type { Reading } from "./reading.ts";
import { readSeparately } from "./readSeparately.ts";
import { readTogether } from "./readTogether.ts";
import { joinRecalled, type RecalledPassage, withEvidence } from "./recalledPassages.ts";
import { interruptionNotes } from "./runModel.ts";
import { samplingOf } from "./sampling.ts";
import type { Query, ScoredPassage } from "./searchIndex.ts";
import type { Watch } from "./searchPassages.ts";
import type { Shelf } from "./shelf.ts";
import { kindNoun } from "./spans/expectedAnswer.ts";
import { shareOf } from "./terms.ts";
import { citePassage, quoteAround } from "./verify.ts";

const NUM_SEARCHED = 24;
/** Sentences shown where the model found no answer. */
const NUM_NEAREST = 2;
const NUM_SHOWN_OCCURRENCES = 10;
/**
 * Passages that hold less of what a question asks about, by weight of its words, are about something else. Of 250 SQuAD
 * questions 97 % had a passage over it in their own article's corpus, 4 % in a corpus without their article.
 */
const MIN_SUPPORT = 0.45;

export interface AnswerTools {
  readonly shelf: Shelf;
  /** Counts what was read; the model's own where there is one. */
  readonly tokenizer: Tokenizer;
  /** Absent when nothing here can run one: the answer is then made of quotes. */
  readonly model?: LanguageModel;
  /** What a cache of these documents recalled for the question. */
  readonly cache?: CacheEvidence;
  /** What the question is asked about, where its reading has begun. */
  readonly sources?: Promise<Sources>;
}

/** What a cache adds to the search. */
export interface CacheEvidence {
  /** Most recalled first. */
  readonly passages: readonly RecalledPassage[];
  /** Of what it read, passages and their headings, what it keeps on the GPU for each layer and KV head, the mean. */
  readonly shareKept: number;
  readonly notes: readonly string[];
}

/** What a question is asked about. */
export interface Sources {
  readonly documents: readonly SourceDocument[];
  readonly skipped: readonly Skipped[];
}

/** Read what the question is asked about, and index it unless an exact phrase or place is asked for. Throws as `answerQuestion` does. */
export async function readSources(params: AskParams, shelf: Shelf, watch: Watch): Promise<Sources> {
  const sources = await readDocuments(params.paths, {
    ...watch,
    ...(params.unsaved && { unsaved: params.unsaved }),
    library: shelf.library,
  });
  const { question } = params;
  if (!phraseAskedFor(question) && !placeAskedFor(question))
    await shelf.index.add(sources.documents, watch);
  return sources;
}

interface Draft {
  readonly found: boolean;
  readonly answer: string;
  readonly markdown?: boolean;
  readonly citations: readonly Citation[];
  /** What a model was shown. */
  readonly reread?: readonly TextPassage[];
  readonly stats?: RunStats;
  readonly isPartial?: boolean;
  readonly notes?: readonly string[];
}

/**
 * Answer `params.question` from the named paths. Throws UserError where there is nothing to read, StoppedError when stopped
 * before there was anything to show; later a stop, or the loss of the engine, leaves an answer marked `partial`.
 */
export async function answerQuestion(
  params: AskParams,
  tools: AnswerTools,
  watch: Watch,
): Promise<Answer> {
  const { shelf } = tools;
  const { documents, skipped } = await (tools.sources ?? readSources(params, shelf, watch));
  const asked = phraseAskedFor(params.question);
  if (asked) {
    const { phrase, isQuestion } = asked;
    const occurrences = await findOccurrences(documents, phrase, watch.signal);
    if (occurrences.length > 0 || !isQuestion)
      return finish(tellOccurrences(phrase, occurrences), documents, skipped, tools, watch);
  }
  const place = placeAskedFor(params.question);
  const places = place ? await findPlaces(documents, place, watch.signal) : [];
  if (places.length > 0) return finish(tellPlaces(places), documents, skipped, tools, watch);
  await shelf.index.add(documents, watch);
  const relevant = findRelevant(documents, params, shelf);
  const recalled = tools.cache?.passages ?? [];
  const evidence = joinRecalled(relevant, recalled);
  const draft =
    evidence.length > 0
      ? await answerFrom(evidence, documents, params, tools, watch)
      : NOTHING_FOUND;
  const citations = tools.cache
    ? withEvidence(draft.citations, relevant, recalled)
    : draft.citations;
  return finish({ ...draft, citations }, documents, skipped, tools, watch);
}

const NOTHING_FOUND: Draft = {
  found: false,
  answer: "No passage has a word of the question, so none was read: ask in other words.",
  citations: [],
};

async function answerFrom(
  passages: readonly ScoredPassage[],
  documents: readonly SourceDocument[],
  params: AskParams,
  { shelf, model }: AnswerTools,
  watch: Watch,
): Promise<Draft> {
  if (!model) {
    const notes = ["No model ran: these are the sentences that share most with the question."];
    const weights = shelf.index.termWeights(documents, params.question);
    return { ...quoteSentences(passages, weights, shelf.index), notes };
  }
  const format = choosePromptFormat(model.metadata);
  const read = format.instruct ? readTogether : readSeparately;
  const reading = await read({
    question: params.question,
    history: params.history ?? [],
    passages,
    documents,
    index: shelf.index,
    model,
    format,
    sampling: samplingOf(params),
    ...watch,
  });
  if (reading.found || reading.interruption)
    return { ...draftOf(reading), ...(format.instruct && { markdown: true }) };
  const weights = shelf.index.termWeights(documents, params.question);
  const near = quoteSentences(passages, weights, shelf.index).citations.slice(0, NUM_NEAREST);
  return {
    ...reading,
    answer: "The model found no answer in the text.",
    notes: [...reading.notes, `Nearest: ${near.map(nearestText).join("; ")}`],
  };
}

function nearestText({ path, startLine, quote }: Citation): string {
  return `“${quote.replace(/\s+/g, " ")}” (${path}:${startLine})`;
}

function draftOf(reading: Reading): Draft {
  const { interruption, ...rest } = reading;
  if (!interruption) return rest;
  return { ...rest, isPartial: true, notes: [...rest.notes, ...interruptionNotes(interruption)] };
}

// Passages that hold enough of what is asked about; words that stand nowhere in the text count as missing.
function findRelevant(
  documents: readonly SourceDocument[],
  params: AskParams,
  { index }: Shelf,
): ScoredPassage[] {
  const query = queryOf(params);
  const weights = index.termWeights(documents, query.text);
  for (const term of index.termsOf(kindNoun(query.text) ?? "")) weights.delete(term);
  return index.search(documents, query, NUM_SEARCHED).filter((passage) => {
    const text = `${passageText(passage)} ${passage.document.label} ${query.background ?? ""}`;
    return shareOf(weights, new Set(index.termsOf(text))) >= MIN_SUPPORT;
  });
}

// "And when did he die?" says who only by what was asked before.
function queryOf({ question, history = [] }: AskParams): Query {
  const last = history.at(-1);
  if (!last) return { text: question };
  return { text: question, background: `${last.question} ${last.answer.slice(0, 300)}` };
}

function tellOccurrences(phrase: string, occurrences: readonly Occurrence[]): Draft {
  const count = occurrences.length;
  if (count === 0) {
    return { found: false, answer: `“${phrase}” does not stand in the text.`, citations: [] };
  }
  const citations = occurrences.slice(0, NUM_SHOWN_OCCURRENCES).map(citeOccurrence);
  const times = count === 1 ? "once" : `${count.toLocaleString("en")} times`;
  const places = citations.map(({ path, startLine }) => `${path}:${startLine}`).join(", ");
  const more = count > citations.length ? `; the first ${citations.length}` : "";
  return {
    found: true,
    answer: `“${phrase}” stands in the text ${times}${more}: ${places}.`,
    citations,
    notes: ["Found by exact search; no model ran."],
  };
}

function tellPlaces(places: readonly Occurrence[]): Draft {
  const shown = places.slice(0, NUM_SHOWN_OCCURRENCES);
  return {
    found: true,
    answer: shown
      .map(({ document, start, end }) => `“${document.text.slice(start, end)}”`)
      .join("\n\n"),
    citations: shown.map((place) => citePassage(place, place)),
    notes: ["Found by its heading and number; no model ran."],
  };
}

function citeOccurrence({ document, start, end }: Occurrence): Citation {
  const before = document.text.lastIndexOf("\n\n", start);
  const after = document.text.indexOf("\n\n", end);
  const around = {
    start: before < 0 ? 0 : before + 2,
    end: after < 0 ? document.text.length : after,
  };
  const passage = { document, ...around };
  return citePassage(passage, quoteAround(passage, { start, end }));
}

async function finish(
  draft: Draft,
  documents: readonly SourceDocument[],
  skipped: readonly Skipped[],
  tools: AnswerTools,
  watch: Watch,
): Promise<Answer> {
  // A stop came for the answer; the receipt of what was read is still owed.
  const signal = draft.isPartial ? undefined : watch.signal;
  const tokensTotal = await tools.shelf.countTokens(documents, tools.tokenizer, signal);
  const reread = draft.reread ?? [];
  const notes = [...(draft.notes ?? []), ...(tools.cache?.notes ?? [])];
  const coverage: Coverage = {
    tokensTotal,
    tokensSearched: tokensTotal,
    tokensInCache: Math.round((tools.cache?.shareKept ?? 0) * tokensTotal),
    tokensReread: reread.reduce(
      (sum, passage) => sum + tools.tokenizer.encode(passageText(passage)).length,
      0,
    ),
    skipped,
  };
  return {
    found: draft.found,
    answer: draft.answer,
    ...(draft.markdown && { markdown: true }),
    citations: draft.citations,
    coverage,
    ...(draft.stats && { stats: draft.stats }),
    ...(draft.isPartial && { partial: true }),
    ...(notes.length > 0 && { notes }),
  };
}
