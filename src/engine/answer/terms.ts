// Words as the search sees them: lower case without accents, stems, parts of identifiers, pairs of Chinese characters.

import { stemmer } from "stemmer";

const WORD = /[\p{L}\p{N}_]+(?:['’][\p{L}]+)?/gu;
const DENSE_RUN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+/gu;
/** A letter of a script without spaces between its words. */
export const HAS_DENSE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const ASCII_WORD = /[A-Za-z0-9_]+(?:['’][A-Za-z]+)?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: tells plain ASCII text apart
const IS_ASCII = /^[\u0000-\u007f]*$/;

/** Words of questions that say nothing about what is asked. */
const QUESTION_WORDS = new Set(
  (
    "a an the of to in on at by for from with about into as is are was were be been being am do does did done doing has have had " +
    "what which who whom whose when where why how many much that this these those it its they them their he him his she her we us our you your i me my " +
    "and or but if than then there here can could will would shall should may might must not no nor so " +
    "please tell explain describe say says said mean means find show give name list text book file document passage according mentioned any some"
  ).split(" "),
);

/** Characters of Chinese questions and grammar: a pair that holds one says nothing about what is asked. */
const DENSE_QUESTION_WORD = /[的是谁了在吗呢么什哪几何和与或及为之其也而吧啊]/;

/** The words of `text` as they are written. */
export function wordsOf(text: string): string[] {
  return text.match(IS_ASCII.test(text) ? ASCII_WORD : WORD) ?? [];
}

/** Turns words into index terms; remembers them, since a book repeats its words. */
export class Terms {
  readonly #known = new Map<string, readonly string[]>();

  /** Terms of one written word: its stem, and the stems of its parts where it is an identifier. */
  of(word: string): readonly string[] {
    let terms = this.#known.get(word);
    if (!terms) {
      terms = HAS_DENSE.test(word) ? pairs(word) : stems(word);
      if (this.#known.size > 500_000) this.#known.clear();
      this.#known.set(word, terms);
    }
    return terms;
  }

  /** Terms of a question that say what it is about, each once; all of its terms where none does. */
  ofQuestion(question: string): string[] {
    const words = wordsOf(question);
    const telling = words.filter((word) => !QUESTION_WORDS.has(word.toLowerCase()));
    const terms = (telling.length > 0 ? telling : words).flatMap((word) => this.of(word));
    const content = terms.filter((term) => !DENSE_QUESTION_WORD.test(term));
    return [...new Set(content.length > 0 ? content : terms)];
  }
}

/** True for a word of questions or grammar that says nothing about what is asked. */
export function isQuestionWord(word: string): boolean {
  return QUESTION_WORDS.has(word.toLowerCase());
}

/** Share of the total weight that `terms` hold, 0 to 1. */
export function shareOf(weights: ReadonlyMap<string, number>, terms: ReadonlySet<string>): number {
  let total = 0;
  let held = 0;
  for (const [term, weight] of weights) {
    total += weight;
    if (terms.has(term)) held += weight;
  }
  return total > 0 ? held / total : 0;
}

function stems(word: string): string[] {
  const plain = withoutAccents(word).replace(/['’]s?$|['’](?=\p{L})/gu, "");
  const parts = plain
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, "$1 $2")
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1 $2")
    .split(/[\s_]+/)
    .filter((part) => part !== "");
  const all = parts.length > 1 ? [plain, ...parts] : parts;
  return [...new Set(all.map((part) => stemmer(part.toLowerCase())))];
}

function withoutAccents(word: string): string {
  return word.normalize("NFD").replace(/\p{M}/gu, "");
}

// Chinese and Japanese have no spaces: neighbouring characters are the terms.
function pairs(word: string): string[] {
  const terms = word.replace(DENSE_RUN, " ").split(/\s+/).filter(Boolean).flatMap(stems);
  for (const [run] of word.matchAll(DENSE_RUN)) {
    const letters = [...run];
    if (letters.length === 1) terms.push(run);
    for (let i = 0; i + 1 < letters.length; i++) terms.push(`${letters[i]}${letters[i + 1]}`);
  }
  return terms;
}
