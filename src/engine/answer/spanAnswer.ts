// The best span of one passage, with what decides whether it is given: whether the passage's words answer the question at all,
// and how much likelier the model holds the span than a refusal.

import { answerLimit, type PlacedAnswer, type ShownPassage } from "./copiedAnswer.ts";
import type { Pointing } from "./pointer/pointing.ts";
import type { ReadingRequest } from "./reading.ts";
import { answerability } from "./spans/answerability.ts";
import type { Contest, Contestant } from "./spans/contest.ts";
import { type ScoredSpan, searchSpans, spanOffsets, spanText } from "./spans/spanSearch.ts";

/**
 * What a nat between all spans and a refusal adds to the log-odds, and one between the pointer's spans and none, as far as that
 * is from its mean. The threshold of the words alone is lower by OFFSET then. Chosen on 1,355 answerable and 360 unanswerable
 * development questions with the embedded model, so that 12 % of the answerable ones are refused and 42 % of the others; a
 * threshold from one half of them refuses 14 % and 43 % of the other.
 */
const MARGIN_WEIGHT = 0.1;
const POINTER_WEIGHT = 0.4;
const MEAN_POINTED = 2;
const OFFSET = 0.54;
/** Nats beyond which a margin counts no more; a refusal likelier than all spans by more than this rules the passage out. */
const MAX_MARGIN = 4;
const MAX_POINTED = 8;
/** Mean ln p of a span's tokens below which the model does not support it at all, whatever stands around it. */
const MIN_CONFIDENCE = -5;

export interface SpanAnswer extends PlacedAnswer {
  /** Log-odds among the spans of all passages read, up to a constant. */
  readonly score: number;
  /** Probability, to the same constant, of the spans that overlap this one, and of all of the passage's. */
  readonly mass: number;
  readonly total: number;
  /** Mean ln p of the answer's tokens. */
  readonly confidence: number;
  /** Log-odds, less the threshold, that the question is answered here: below 0 it is refused. */
  readonly answerable: number;
  /** The model says that this is no answer. */
  readonly isRuledOut: boolean;
}

/** One that the model's pointer may have looked at. */
export interface PointedContestant<Passage> extends Contestant<Passage> {
  readonly pointing?: Pointing | undefined;
}

/** Weigh the spans of a passage among the contest's; undefined where it has no words. */
export async function spanAnswer<Passage extends ShownPassage>(
  request: ReadingRequest,
  { asked }: Contest<Passage>,
  { passage, words, competition, pointing }: PointedContestant<Passage>,
): Promise<SpanAnswer | undefined> {
  const { model, format, question, index, signal } = request;
  const { spans, refusal } = await searchSpans({
    ...{ model, format, asked, competition },
    prompt: passage.prompt,
    pointing,
    ...(passage.unasked && { unasked: passage.unasked }),
    passage: words,
    maxTokens: answerLimit(request),
    ...(signal && { signal }),
  });
  const [best] = spans;
  if (!best) return undefined;
  const likeliest = Math.max(...spans.map(({ lnP }) => lnP));
  const supported = Math.log(spans.reduce((sum, { lnP }) => sum + Math.exp(lnP), 0));
  const margin = clamp(supported - refusal, MAX_MARGIN);
  const { label } = passage.shown.document;
  const termsOf = (text: string) => index.termsOf(text);
  const { start, end } = spanOffsets(words, best);
  const confidence = best.lnP / (best.numTokens + 1);
  return {
    text: spanText(words, best),
    span: { start: passage.shown.start + start, end: passage.shown.start + end },
    score: best.score,
    mass: massOf(spans.filter(({ first, last }) => first <= best.last && last >= best.first)),
    total: massOf(spans),
    confidence,
    answerable:
      answerability({
        ...{ question, passage: words, span: best, asked, competition, label, termsOf },
      }) +
      MARGIN_WEIGHT * margin +
      POINTER_WEIGHT * (pointing ? clamp(pointing.answered - MEAN_POINTED, MAX_POINTED) : 0) +
      OFFSET,
    isRuledOut: likeliest - refusal < -MAX_MARGIN || confidence < MIN_CONFIDENCE,
  };
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}

function massOf(spans: readonly ScoredSpan[]): number {
  return spans.reduce((sum, { score }) => sum + Math.exp(score), 0);
}
