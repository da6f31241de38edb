// A pass key hidden in prose, in the words that are usual for it.

import type { Tokenizer } from "../../engine/tokenizer/tokenizer.ts";
import type { MadeDocument } from "./documentCases.ts";
import { cutProse, documentTokens, plant } from "./haystack.ts";
import type { Random } from "./random.ts";
import { someKeys } from "./words.ts";

export interface HidingPlace {
  /** Tokens of the whole prompt. */
  readonly length: number;
  /** Percent of the text. */
  readonly depth: number;
  readonly tokenizer: Tokenizer;
  readonly random: Random;
}

/** Prose with a five-digit key in it, and the question for it. */
export function hidePassKey(
  book: string,
  { length, depth, tokenizer, random }: HidingPlace,
): MadeDocument {
  const value = `${random.integer(10_000, 99_999)}`;
  const noun = random.choice(["pass key", "secret number", "access code"]);
  const [name = ""] = someKeys(random, 1);
  const subject = `${noun} of the ${name.replace("-", " ")}`;
  const sentence = `The ${subject} is ${value}.`;
  const tokens = documentTokens(length) - tokenizer.encode(sentence).length;
  const prose = cutProse(book, { tokens, tokenizer, random });
  return {
    text: plant(prose, sentence, depth),
    question: `What is the ${subject}?`,
    expected: [value],
  };
}
