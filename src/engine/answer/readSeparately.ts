// Reading with a small model that copies a short span: it is lost among several passages, so the best ones are read one by
// one, whole and narrowed to the sentences that share most with the question. Answers that stand in their passage compete by
// the model's own confidence and by what their sentence shares with the question.

import type { RunStats } from "../../protocol.ts";
import { DeviceLostError } from "../errors.ts";
import { passageText, type TextPassage } from "./passages.ts";
import { REFUSAL } from "./promptFormats/parseAnswer.ts";
import type { ParsedAnswer } from "./promptFormats/promptFormat.ts";
import { quoteSentences } from "./quoteSentences.ts";
import type { Reading, ReadingRequest } from "./reading.ts";
import { cutTo, toPrompt } from "./readTogether.ts";
import { cutNotes, isInterruption, type ModelRun, runModel, sumStats } from "./runModel.ts";
import type { ScoredPassage } from "./searchIndex.ts";
import { splitSentences } from "./sentences.ts";
import { shareOf } from "./terms.ts";
import { citeAnswer, findQuote, quoteAround, type Span } from "./verify.ts";

/** Passages read; in 98 of 100 questions measured the answer stood in one of the first three. */
const NUM_READ = 3;
const MAX_ANSWER_TOKENS = 48;
/** Mean ln p of an answer's tokens: below it all answers measured were wrong. */
const MIN_CONFIDENCE = -0.5;
/** Below it four of five were wrong: the user is told. */
const SURE_CONFIDENCE = -0.25;
/** A sentence that shares less than this with the question is not worth quoting instead of an answer. */
const MIN_QUOTE_SUPPORT = 0.5;

export interface Candidate {
  readonly passage: TextPassage;
  /** Where the answer stands. */
  readonly span: Span;
  readonly text: string;
  /** The search's score of the passage, as a share of the best one's. */
  readonly relevance: number;
  /** Share of the question's weight that the sentence around the answer holds. */
  readonly support: number;
  /** Mean ln p of the answer's tokens; absent where it was stopped before that was known. */
  readonly confidence?: number;
  readonly notes: readonly string[];
}

/** Ask the model over the best passages one by one; the best answer that stands in its passage wins. */
export async function readSeparately(request: ReadingRequest): Promise<Reading> {
  const weights = request.index.termWeights(request.documents, request.question);
  const candidates: Candidate[] = [];
  const reread: TextPassage[] = [];
  const stats: RunStats[] = [];
  let interruption: Error | undefined;
  for (const passage of toRead(request, weights)) {
    try {
      const read = await readOne(request, passage, weights);
      reread.push(read.shown);
      if (read.stats) stats.push(read.stats);
      if (read.candidate) candidates.push(read.candidate);
      interruption = read.interruption;
    } catch (error) {
      // What earlier passages gave is an answer already; it is handed over, marked as partial.
      if (candidates.length === 0 || !isInterruption(error)) throw error;
      interruption = error;
    }
    if (interruption) break;
  }
  if (interruption && candidates.length === 0) throw interruption;
  const total = sumStats(stats);
  const facts = {
    reread: withoutContained(reread),
    ...(total && { stats: total }),
    ...(interruption && { interruption }),
  };
  const best = chooseCandidate(candidates);
  const confidence = best?.confidence ?? 0;
  // What was interrupted is handed over as far as it came.
  if (best && (interruption || request.mustAnswer || confidence >= MIN_CONFIDENCE)) {
    request.observer?.token?.(best.text);
    const citations = [citeAnswer(best.passage, best.span, best.text)];
    const doubts = confidence < SURE_CONFIDENCE ? ["The model is not sure of this answer."] : [];
    return {
      ...facts,
      found: true,
      answer: best.text,
      citations,
      notes: [...doubts, ...best.notes],
    };
  }
  return { ...facts, ...(best || request.mustAnswer ? quoteInstead(request, weights) : NOTHING) };
}

const NOTHING = { found: false, answer: "", citations: [], notes: [] };

/** The candidate that the model is surest of and whose sentence shares most with the question; undefined for none. */
export function chooseCandidate(candidates: readonly Candidate[]): Candidate | undefined {
  const score = ({ relevance, support, confidence = -Infinity }: Candidate) =>
    relevance + support + 2 * confidence;
  return [...candidates].sort((a, b) => score(b) - score(a))[0];
}

// The model found something but is not sure: the text speaks for itself, if it says enough about the question.
function quoteInstead(request: ReadingRequest, weights: ReadonlyMap<string, number>) {
  const quotes = quoteSentences(request.passages, weights, request.index);
  const [best] = quotes.citations;
  const share = shareOf(weights, new Set(request.index.termsOf(best?.quote ?? "")));
  if (!best || (share < MIN_QUOTE_SUPPORT && !request.mustAnswer)) return NOTHING;
  request.observer?.token?.(quotes.answer);
  const notes = [
    "The model was not sure of an answer: this is a quote, the sentence nearest the question.",
  ];
  return { found: true, answer: quotes.answer, citations: quotes.citations, notes };
}

// The best passage whole, and of each of the first ones the sentences around the one that shares most with the question.
function toRead(
  { passages, index }: ReadingRequest,
  weights: ReadonlyMap<string, number>,
): ScoredPassage[] {
  const best = passages.slice(0, NUM_READ);
  return best.flatMap((passage, rank) => {
    const window = narrow(passage, (text) => shareOf(weights, new Set(index.termsOf(text))));
    const isWhole = window.start === passage.start && window.end === passage.end;
    return rank === 0 && !isWhole ? [passage, window] : [window];
  });
}

// A small model reads three sentences better than ten. Code has no sentences.
function narrow(passage: ScoredPassage, shareOfText: (text: string) => number): ScoredPassage {
  if (passage.document.kind === "code") return passage;
  const text = passageText(passage);
  const sentences = splitSentences(text);
  const shares = sentences.map(({ start, end }) => shareOfText(text.slice(start, end)));
  const center = shares.indexOf(Math.max(...shares));
  const first = sentences[Math.max(0, center - 1)];
  const last = sentences[Math.min(sentences.length - 1, center + 1)];
  if (!first || !last) return passage;
  return { ...passage, start: passage.start + first.start, end: passage.start + last.end };
}

interface OneReading {
  readonly shown: TextPassage;
  readonly candidate?: Candidate;
  readonly stats?: RunStats;
  readonly interruption?: Error;
}

async function readOne(
  request: ReadingRequest,
  passage: ScoredPassage,
  weights: ReadonlyMap<string, number>,
): Promise<OneReading> {
  const { model, format, question, history, passages, index, sampling } = request;
  const { observer, signal } = request;
  const maxTokens = Math.min(sampling.maxTokens ?? MAX_ANSWER_TOKENS, MAX_ANSWER_TOKENS);
  const prompt = await format.build(model, {
    question,
    history,
    passages: [toPrompt(passage)],
    maxTokens: Math.min(model.contextLength, model.trainedContextLength) - maxTokens,
  });
  const shown = cutTo(passage, prompt.passages[0]?.text ?? "");
  const run = await runModel(model, {
    ...sampling,
    prompt: prompt.tokens,
    maxTokens,
    stop: [...format.stop, ...(sampling.stop ?? [])],
    ...(observer && { observer }),
    ...(signal && { signal }),
  });
  // A few words shown to nobody: asking again on a new device gives the whole answer.
  if (run.interruption instanceof DeviceLostError) throw run.interruption;
  const shared = { shown, ...(run.stats && { stats: run.stats }) };
  const placed = placeAnswer(shown, format.parse(run.text), run);
  if (!placed) return { ...shared, ...(run.interruption && { interruption: run.interruption }) };
  const sentence = { ...shown, ...quoteAround(shown, placed.span) };
  const candidate: Candidate = {
    passage: shown,
    ...placed,
    relevance: passage.score / (passages[0]?.score ?? passage.score),
    support: shareOf(weights, new Set(index.termsOf(passageText(sentence)))),
    notes: cutNotes(run),
  };
  if (run.interruption) return { ...shared, candidate, interruption: run.interruption };
  try {
    const confidence = await confidenceIn(request, prompt.tokens, run.tokens);
    return { ...shared, candidate: { ...candidate, confidence } };
  } catch (error) {
    if (!isInterruption(error)) throw error;
    return { ...shared, candidate, interruption: error };
  }
}

// Where the answer stands in its passage, and its words there; undefined where it refuses or does not.
function placeAnswer(
  shown: TextPassage,
  { text, refused }: ParsedAnswer,
  run: ModelRun,
): { text: string; span: Span } | undefined {
  const isBroken = run.isCut || run.interruption;
  if (refused || (isBroken && REFUSAL.startsWith(text.toLowerCase()))) return undefined;
  const source = shown.document.text;
  const span = findQuote(source, text, shown);
  if (span) {
    // "Starbuck's" is a piece of "Starbuck's boat": the name is the answer.
    const owner = text.replace(/(?<=\p{L})['’]s$/u, "");
    const isOwned =
      owner !== text && /^[ \t]*\n?[ \t]*[\p{L}\p{N}]/u.test(source.slice(span.end, span.end + 80));
    return isOwned
      ? { text: owner, span: { start: span.start, end: span.end - (text.length - owner.length) } }
      : { text, span };
  }
  // A run that broke off may have done so within a word.
  const whole = isBroken ? text.replace(/\s*\S*$/, "") : "";
  const wholeSpan = findQuote(source, whole, shown);
  return wholeSpan && { text: whole, span: wholeSpan };
}

// Mean ln p of the tokens of an answer, its citation included, behind its prompt.
async function confidenceIn(
  { model, signal }: ReadingRequest,
  prompt: readonly number[],
  answer: readonly number[],
): Promise<number> {
  const nll = await model.scoreTokens([...prompt, ...answer], signal && { signal });
  const own = nll.subarray(prompt.length - 1);
  return -own.reduce((sum, value) => sum + value, 0) / Math.max(1, own.length);
}

function withoutContained(passages: readonly TextPassage[]): TextPassage[] {
  return passages.filter(
    (inner) =>
      !passages.some(
        (outer) =>
          outer !== inner &&
          outer.document === inner.document &&
          outer.start <= inner.start &&
          outer.end >= inner.end,
      ),
  );
}
