// Answers that the passages of a question give, and which of them is given.

import type { TextPassage } from "./passages.ts";
import type { Span } from "./verify.ts";

/** Mean ln p of a copied answer's tokens: below it all answers measured were wrong. */
const MIN_CONFIDENCE = -0.5;
/** Below it four of five copied answers were wrong: the user is told. */
const SURE_CONFIDENCE = -0.25;
/** Share of all spans' probability that an answer and what overlaps it must hold, lest the user is told; and its confidence. */
const SURE_SHARE = 0.5;
const SURE_SPAN_CONFIDENCE = -1.5;

/** An answer that one passage gives. */
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
  /** Log-odds among the spans of all passages read, up to a constant; absent for an answer that was only copied. */
  readonly score?: number;
  /** Probability of the span with those that overlap it, and of all in its passage, to the same constant; absent likewise. */
  readonly mass?: number;
  readonly total?: number;
  /** Log-odds, less the threshold, that the question is answered there; absent likewise. */
  readonly answerable?: number;
  /** The model says that this is no answer. */
  readonly isRuledOut?: boolean;
  readonly notes: readonly string[];
}

/** The likeliest of the spans, or what was copied with most confidence and support; undefined for none. */
export function chooseCandidate(candidates: readonly Candidate[]): Candidate | undefined {
  const worth = ({ score, relevance, support, confidence = -Infinity }: Candidate) =>
    score ?? relevance + support + 2 * confidence;
  const scored = candidates.filter(({ score }) => score !== undefined);
  const competing = scored.length > 0 ? scored : [...candidates];
  return competing.sort((a, b) => worth(b) - worth(a))[0];
}

/** Whether an answer need not be doubted before the user. */
export function isSure({ confidence = 0, mass }: Candidate, all: readonly Candidate[]): boolean {
  if (mass === undefined) return confidence >= SURE_CONFIDENCE;
  const total = all.reduce((sum, candidate) => sum + (candidate.total ?? 0), 0);
  return mass >= SURE_SHARE * total && confidence >= SURE_SPAN_CONFIDENCE;
}

/** Whether an answer is better than none. */
export function isWorthGiving({ confidence = 0, answerable, isRuledOut }: Candidate): boolean {
  if (answerable !== undefined) return answerable >= 0 && !isRuledOut;
  return confidence >= MIN_CONFIDENCE;
}
