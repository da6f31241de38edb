// A summary made of the text's own sentences: those nearest the centroid of its words, unlike one another (centroid-based
// summarisation, Radev et al. 2004; maximal marginal relevance, Carbonell and Goldstein 1998).

import type { Breather } from "../progress.ts";
import { splitSentences } from "./sentences.ts";
import { isQuestionWord, type Terms, wordsOf } from "./terms.ts";

const MIN_LENGTH = 40;
const MAX_LENGTH = 320;
/** How much a repetition of what is chosen already costs. */
const REDUNDANCY = 0.7;
/** 1 would favour the shortest sentences, 0 the longest. */
const LENGTH_DISCOUNT = 0.75;
/** Only the best sentences compete, which keeps a long section quick. */
const MAX_COMPETING = 200;

export interface Extracted {
  readonly text: string;
  readonly terms: ReadonlySet<string>;
  readonly score: number;
}

/** The `count` sentences that say most of what `text` says, in its order. */
export async function extractSentences(
  text: string,
  count: number,
  { terms, breather }: { readonly terms: Terms; readonly breather: Breather },
): Promise<Extracted[]> {
  const sentences: { text: string; terms: Set<string>; order: number }[] = [];
  const frequency = new Map<string, number>();
  for (const { start, end } of splitSentences(text)) {
    if (breather.isDue) await breather.breathe();
    const sentence = text.slice(start, end).replace(/\s+/g, " ");
    const said = wordsOf(sentence).filter((word) => !isQuestionWord(word));
    const own = new Set(said.flatMap((word) => [...terms.of(word)]));
    for (const term of own) frequency.set(term, (frequency.get(term) ?? 0) + 1);
    if (isWorthQuoting(sentence))
      sentences.push({ text: sentence, terms: own, order: sentences.length });
  }
  const scored = sentences
    .map((sentence) => ({ ...sentence, score: centrality(sentence.terms, frequency) }))
    .sort((a, b) => b.score - a.score || a.order - b.order);
  return chooseDiverse(scored.slice(0, MAX_COMPETING), count).sort((a, b) => a.order - b.order);
}

/** The best-scored of `candidates` that repeat one another least, best first. */
export function chooseDiverse<T extends Extracted>(candidates: readonly T[], count: number): T[] {
  const left = [...candidates];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) {
    const worth = left.map(
      (candidate) =>
        candidate.score *
        (1 - REDUNDANCY * Math.max(0, ...chosen.map((other) => overlap(candidate, other)))),
    );
    const best = worth.indexOf(Math.max(...worth));
    chosen.push(...left.splice(best, 1));
  }
  return chosen;
}

// Dense scripts say as much in a third of the length.
function isWorthQuoting(sentence: string): boolean {
  const isDense = /[\p{Script=Han}\p{Script=Hiragana}]/u.test(sentence);
  const min = isDense ? 12 : MIN_LENGTH;
  const hasEnd = /[.!?。！？…”"’')）」](?:\[\d{1,3}\])*$/.test(sentence);
  const isProse = !/^[|#>`{[]/.test(sentence);
  return (
    isProse &&
    sentence.length >= min &&
    sentence.length <= MAX_LENGTH &&
    hasEnd &&
    /\p{L}/u.test(sentence)
  );
}

// A word said once is noise to a summary.
function centrality(terms: ReadonlySet<string>, frequency: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const term of terms) sum += Math.log(frequency.get(term) ?? 1);
  return sum / (terms.size + 8) ** LENGTH_DISCOUNT;
}

function overlap(a: Extracted, b: Extracted): number {
  let shared = 0;
  for (const term of a.terms) if (b.terms.has(term)) shared++;
  return shared / Math.max(1, Math.min(a.terms.size, b.terms.size));
}
