// A passage as the span search sees it: words with their places, sentences, and what each shares with the question.

import { splitSentences } from "../sentences.ts";
import { isQuestionWord } from "../terms.ts";

const WORD = /[$£€]?[\p{L}\p{N}_](?:[\p{L}\p{N}_.,'’/:-]*[\p{L}\p{N}_])?(?:['’](?=\s|$)|[%+#]+)?/gu;
const POSSESSIVE = /['’]s?$/;
const OWNED = /^[ \t]*\n?[ \t]*[\p{L}\p{N}]/u;
const NUMBER_WORD =
  /^(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|twice|dozen)s?$/i;
const MONTH =
  /^(?:january|february|march|april|may|june|july|august|september|october|november|december)$/i;

export interface PassageWord {
  /** Offsets in the passage's text; a possessive ending in front of what is owned does not belong to it. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly sentence: number;
  /** Stands first in its sentence. */
  readonly isFirst: boolean;
  readonly isCapitalised: boolean;
  readonly isNumeric: boolean;
  readonly isTime: boolean;
  /** Says nothing about what is asked: articles, prepositions, auxiliaries. */
  readonly isFunction: boolean;
  /** Weight of the question's terms that it holds. */
  readonly weight: number;
  readonly terms: readonly string[];
}

export interface PassageSentence {
  readonly start: number;
  readonly end: number;
  /** Terms of the question it holds, with where they stand. */
  readonly held: ReadonlyMap<string, readonly number[]>;
  /** Share of the question's weight that it holds, 0 to 1. */
  readonly share: number;
}

export interface PassageWords {
  readonly text: string;
  readonly words: readonly PassageWord[];
  readonly sentences: readonly PassageSentence[];
  /** Share of the question's weight that the passage holds. */
  readonly share: number;
}

/** The words of `text`, with the question's terms by their `weights`; `termsOf` gives the terms of a word. */
export function passageWords(
  text: string,
  weights: ReadonlyMap<string, number>,
  termsOf: (word: string) => readonly string[],
): PassageWords {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const shareOf = (terms: Iterable<string>) =>
    total > 0 ? [...terms].reduce((sum, term) => sum + (weights.get(term) ?? 0), 0) / total : 0;
  const words: PassageWord[] = [];
  const held: Map<string, number[]>[] = [];
  const spans = splitSentences(text);
  for (const [sentence, { start, end }] of spans.entries()) {
    const own = new Map<string, number[]>();
    held.push(own);
    const firstWord = words.length;
    for (const match of text.slice(start, end).matchAll(WORD)) {
      const at = start + match.index;
      const isOwner = OWNED.test(text.slice(at + match[0].length, at + match[0].length + 80));
      const bare = (isOwner && match[0].replace(POSSESSIVE, "")) || match[0];
      const terms = [...new Set(termsOf(bare))];
      const asked = terms.filter((term) => weights.has(term));
      for (const term of asked) own.set(term, [...(own.get(term) ?? []), words.length]);
      words.push({
        start: at,
        end: at + bare.length,
        text: bare,
        sentence,
        isFirst: words.length === firstWord,
        isCapitalised: /^\p{Lu}/u.test(bare),
        isNumeric: /\p{N}/u.test(bare) || NUMBER_WORD.test(bare),
        isTime: MONTH.test(bare) || /^(?:1\d|20)\d\ds?$/.test(bare),
        isFunction: isQuestionWord(bare),
        weight: shareOf(asked),
        terms,
      });
    }
  }
  const sentences = spans.map(({ start, end }, i) => {
    const own = held[i] ?? new Map<string, number[]>();
    return { start, end, held: own, share: shareOf(own.keys()) };
  });
  const all = new Set(held.flatMap((own) => [...own.keys()]));
  return { text, words, sentences, share: shareOf(all) };
}
