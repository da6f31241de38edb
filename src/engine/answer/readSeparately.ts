// Reading with a small model that copies a short span: it is lost among several passages, so the best ones are read one by
// one. Spans of all of them compete by the model's likelihood and by what is around them; where a sentence or code is asked
// for, what the model copies competes by its confidence and by what its sentence shares with the question.

import type { Observer, RunStats } from "../../protocol.ts";
import { type Candidate, chooseCandidate, isSure, isWorthGiving } from "./candidates.ts";
import { copyAnswer } from "./copiedAnswer.ts";
import { passageText, placeOf, type TextPassage } from "./passages.ts";
import { type PlannedPassage, planReading } from "./planReading.ts";
import type { PointedQuestion } from "./pointer/pointing.ts";
import { begunEarlier, type PointedPrompt, point, withPointed } from "./pointer/pointPassage.ts";
import { quoteSentences } from "./quoteSentences.ts";
import type { Reading, ReadingRequest } from "./reading.ts";
import { cutNotes, type Interruption, isInterruption, sumStats } from "./runModel.ts";
import { spanAnswer } from "./spanAnswer.ts";
import type { Contest, Contestant } from "./spans/contest.ts";
import { likeliestUnread } from "./spans/spanSearch.ts";
import { shareOf } from "./terms.ts";
import { citeAnswer, quoteAround, type Span } from "./verify.ts";

/** Log-odds by words and pointer that a passage's spans may be behind another's before the model need not weigh them. */
const MAX_BEHIND = 6;
/** A sentence that shares less than this with the question is not worth quoting instead of an answer. */
const MIN_QUOTE_SUPPORT = 0.5;
/** Questions that a sentence answers, and what is said with it. */
const ASKS_FOR_QUOTE = [
  [
    /^\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b(?!.*\bor\b)/i,
    "Whether it is so is for you to judge: this is the sentence nearest it.",
  ],
  [
    /\b(?:which|what) (?:verse|sentence|line|passage|paragraph)s? (?:says?|said|mentions?|contains?|tells?|told|states?|describes?|speaks?|reads?|holds?)\b/i,
    "This is the sentence that shares most with the question.",
  ],
] as const;
const NEAREST =
  "The model was not sure of an answer: this is a quote, the sentence nearest the question.";

/** Ask the model over the best passages one by one; the best answer that stands in its passage wins. */
export async function readSeparately(request: ReadingRequest): Promise<Reading> {
  const weights = request.index.termWeights(request.documents, request.question);
  // No span says yes or no, or is a sentence: the one that is about it is quoted.
  for (const [pattern, note] of ASKS_FOR_QUOTE)
    if (pattern.test(request.question))
      return { reread: [], ...quoteInstead(request, weights, note) };
  const plan = await planReading(request, weights);
  const candidates: Candidate[] = [];
  const reread: TextPassage[] = [];
  const stats: RunStats[] = [];
  const pointed: PointedPrompt[] = [];
  let leading = Number.NEGATIVE_INFINITY;
  let interruption: Interruption | undefined;
  for (const [number, passage] of plan.passages.entries()) {
    try {
      const { contest, question } = plan;
      const contestant = contest?.contestants[number];
      const competing = contest && contestant && { contest, contestant, question, leading };
      const told = telling(request, passage, { number, of: plan.passages.length });
      const read = await readOne(told, passage, { weights, ...competing });
      reread.push(passage.shown);
      leading = Math.max(leading, read.unread ?? leading);
      if (read.pointed) pointed.push(read.pointed);
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
  if (interruption && candidates.every(({ isRuledOut }) => isRuledOut)) throw interruption;
  const total = sumStats(stats);
  const facts = {
    reread: withoutContained(reread),
    ...(total && { stats: withPointed(total, pointed) }),
    ...(interruption && { interruption }),
  };
  const best = chooseCandidate(candidates);
  const isHandedOver = interruption !== undefined || request.mustAnswer === true;
  // What was interrupted is handed over as far as it came.
  if (best && (isHandedOver || isWorthGiving(best))) {
    request.observer?.token?.(best.text);
    const citations = [citeAnswer(best.passage, best.span, best.text)];
    const doubts = isSure(best, candidates) ? [] : ["The model is not sure of this answer."];
    return {
      ...facts,
      found: true,
      answer: best.text,
      citations,
      notes: [...doubts, ...best.notes],
    };
  }
  const isQuoted = request.mustAnswer || (best && best.score === undefined);
  return { ...facts, ...(isQuoted ? quoteInstead(request, weights, NEAREST) : NOTHING) };
}

const NOTHING = { found: false, answer: "", citations: [], notes: [] };

// The model found something but is not sure: the text speaks for itself, if it says enough about the question.
function quoteInstead(request: ReadingRequest, weights: ReadonlyMap<string, number>, note: string) {
  const quotes = quoteSentences(request.passages, weights, request.index);
  const [best] = quotes.citations;
  const share = shareOf(weights, new Set(request.index.termsOf(best?.quote ?? "")));
  if (!best || (share < MIN_QUOTE_SUPPORT && !request.mustAnswer)) return NOTHING;
  request.observer?.token?.(quotes.answer);
  return { found: true, answer: quotes.answer, citations: quotes.citations, notes: [note] };
}

// Reading takes seconds on slow machines: progress says from its beginning which passage it is about.
function telling(
  request: ReadingRequest,
  { shown, prompt }: PlannedPassage,
  { number, of }: { number: number; of: number },
): ReadingRequest {
  const { observer } = request;
  if (!observer?.progress) return request;
  const { startLine, endLine } = placeOf(shown);
  const detail = `${shown.document.label}:${startLine}-${endLine} (passage ${number + 1} of ${of})`;
  const told: Observer = {
    progress: (progress) => observer.progress?.({ ...progress, detail }),
    token: (text) => observer.token?.(text),
    log: (level, message) => observer.log?.(level, message),
  };
  told.progress?.({ phase: "prefill", done: 0, total: prompt.length, unit: "tokens" });
  return { ...request, observer: told };
}

interface OneReading {
  readonly candidate?: Candidate;
  readonly stats?: RunStats;
  readonly interruption?: Interruption;
  /** Log-odds of the passage's best span by words and pointer. */
  readonly unread?: number;
  /** Nothing but the pointer looked at the passage. */
  readonly pointed?: PointedPrompt;
}

interface Weighing {
  readonly weights: ReadonlyMap<string, number>;
  readonly contest?: Contest<PlannedPassage>;
  readonly contestant?: Contestant<PlannedPassage>;
  readonly question?: PointedQuestion | undefined;
  /** The best of the passages before. */
  readonly leading?: number;
}

async function readOne(
  request: ReadingRequest,
  passage: PlannedPassage,
  { weights, contest, contestant, question, leading = Number.NEGATIVE_INFINITY }: Weighing,
): Promise<OneReading> {
  const { passages, index } = request;
  const { shown } = passage;
  // It reads the prompt, which is then in the cache.
  const { pointing, ms } = await point(request, passage, question);
  const unread =
    contest &&
    contestant &&
    pointing &&
    likeliestUnread({
      ...{ passage: contestant.words, asked: contest.asked, pointing },
      competition: contestant.competition,
    }).score;
  if (unread !== undefined && unread < leading - MAX_BEHIND)
    return { unread, pointed: { tokens: passage.prompt.length, ms } };
  const { run, placed } = await copyAnswer(request, passage);
  const stats = run.stats && { stats: begunEarlier(run.stats, ms) };
  const candidateOf = (text: string, span: Span, facts: Partial<Candidate>): Candidate => {
    const sentence = { ...shown, ...quoteAround(shown, span) };
    return {
      ...{ passage: shown, span, text },
      relevance: passage.score / (passages[0]?.score ?? passage.score),
      support: shareOf(weights, new Set(index.termsOf(passageText(sentence)))),
      notes: [],
      ...facts,
    };
  };
  const copied = placed && candidateOf(placed.text, placed.span, { notes: cutNotes(run) });
  const soFar = { ...stats, ...(copied && { candidate: copied }) };
  if (run.interruption) return { ...soFar, interruption: run.interruption };
  try {
    if (contest && contestant) {
      const found = await spanAnswer(request, contest, { ...contestant, pointing });
      if (!found) return { ...stats };
      const { text, span, ...facts } = found;
      const notes = copied?.span.start === span.start ? copied.notes : [];
      const candidate = candidateOf(text, span, { ...facts, notes });
      return { ...stats, candidate, ...(unread !== undefined && { unread }) };
    }
    if (!copied) return { ...stats };
    const confidence = await confidenceIn(request, passage.prompt, run.tokens);
    return { ...stats, candidate: { ...copied, confidence } };
  } catch (error) {
    if (!isInterruption(error) || !copied) throw error;
    return { ...soFar, interruption: error };
  }
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
