// Answers from a cache as carefully as from passages: spans of the passages that the cache points to compete by what the model,
// with the whole text in its cache, says of them. Nothing of these passages is read again.

import type { LanguageModel } from "../languageModel.ts";
import type { TextPassage } from "./passages.ts";
import type { PromptFormat } from "./promptFormats/promptFormat.ts";
import { isSamePassage, type RecalledPassage } from "./recalledPassages.ts";
import type { ScoredPassage } from "./searchIndex.ts";
import { contestOf } from "./spans/contest.ts";
import { searchPassages, spanOffsets, spanText } from "./spans/spanSearch.ts";
import { Terms, wordsOf } from "./terms.ts";
import type { Span } from "./verify.ts";

/** Passages whose spans compete, and how many of them may be those of the model's own answer. */
const NUM_PASSAGES = 3;
const NUM_OWN = 2;
/** Mean ln p of a span's tokens below which the model does not support it. */
const MIN_CONFIDENCE = -5;

/**
 * The passages whose spans are worth weighing, best first: those of the model's own answer, since what stayed in the cache is
 * never brought back, and those that recall brought back, most of all first.
 */
export function passagesToWeigh(
  own: readonly TextPassage[],
  recalled: readonly RecalledPassage[],
): TextPassage[] {
  const all = [...own.slice(0, NUM_OWN), ...recalled.map(({ passage }) => passage)];
  return all.filter((passage, i) => all.findIndex((other) => isSamePassage(other, passage)) === i);
}

export interface CacheSpanRequest {
  readonly model: LanguageModel;
  /** One with `answerTokens`. */
  readonly format: PromptFormat;
  readonly question: string;
  /** The whole prompt, all but its end in the cache. */
  readonly prompt: readonly number[];
  /** Passages that the cache points to, most of all first. */
  readonly passages: readonly TextPassage[];
  readonly maxTokens: number;
  readonly signal?: AbortSignal;
}

export interface CacheSpan {
  readonly passage: TextPassage;
  readonly span: Span;
  readonly text: string;
  /** Mean ln p of its tokens. */
  readonly confidence: number;
}

/** The likeliest span; undefined where the model supports none of them, or rather refuses. Throws StoppedError. */
export async function bestCacheSpan(request: CacheSpanRequest): Promise<CacheSpan | undefined> {
  const { model, format, question, prompt, maxTokens, signal } = request;
  const terms = new Terms();
  const termsOf = (text: string) => wordsOf(text).flatMap((word) => [...terms.of(word)]);
  const passages = request.passages.slice(0, NUM_PASSAGES).map(
    // The cache's order is all that is known of them.
    (passage, rank): ScoredPassage => ({ ...passage, score: 1 / (1 + rank) }),
  );
  if (passages.length === 0) return undefined;
  const contest = contestOf(passages, question, { question: terms.ofQuestion(question), termsOf });
  const { asked, contestants } = contest;
  const searches = await searchPassages(
    { model, format, prompt, asked, maxTokens, ...(signal && { signal }) },
    contestants.map(({ words, competition }) => ({ passage: words, competition })),
  );
  let best: (CacheSpan & { readonly score: number }) | undefined;
  for (const [i, { passage, words }] of contestants.entries()) {
    const { spans: [found] = [], refusal = 0 } = searches[i] ?? {};
    if (!found || refusal > found.lnP) continue;
    const confidence = found.lnP / (found.numTokens + 1);
    if (confidence < MIN_CONFIDENCE || (best && best.score >= found.score)) continue;
    const { start, end } = spanOffsets(words, found);
    const span = { start: passage.start + start, end: passage.start + end };
    best = { passage, span, text: spanText(words, found), confidence, score: found.score };
  }
  return best;
}
