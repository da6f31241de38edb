// Long texts with sentences planted in them: real prose of a public-domain novel, cut to a length in tokens.

import { readFile } from "node:fs/promises";
import { sentenceEnds } from "../../engine/answer/sentences.ts";
import type { Tokenizer } from "../../engine/tokenizer/tokenizer.ts";
import type { EvalTools } from "./evalTools.ts";
import type { Random } from "./random.ts";

/** The novel that haystacks are cut from, in the data folder. */
export const BOOK = "texts/war-and-peace-2600-0.txt";
/** Tokens for a question and its answer, and the share that headings of passages add to a text at most. */
const QUESTION_TOKENS = 185;
const HEADING_SHARE = 0.085;

/** A token of prose is longer than a character and hardly ever longer than that. */
const TOKEN_CHARACTERS = 8;

/** The novel without its preface and licence. */
export async function readBook(tools: EvalTools): Promise<string> {
  const text = await readFile(tools.dataFile(BOOK), "utf8");
  const body = /\*\*\* START OF[^\n]*\n([\s\S]*?)\*\*\* END OF/.exec(text)?.[1] ?? text;
  return body
    .replaceAll("\r\n", "\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}

/** Tokens that a document may take, so that it fills `length` tokens together with its headings and a question. */
export function documentTokens(length: number): number {
  return Math.floor((length - QUESTION_TOKENS) / (1 + HEADING_SHARE));
}

/** The longest length that a document cut from the book can fill; infinite where `length` plainly is none of the longest. */
export function longestCut(book: string, length: number, tokenizer: Tokenizer): number {
  if (TOKEN_CHARACTERS * length <= book.length) return Number.POSITIVE_INFINITY;
  const all = tokenizer.encode(book).length;
  return Math.floor(all * (1 + HEADING_SHARE)) + QUESTION_TOKENS;
}

/** Whole paragraphs from a random place of the book on, at most `tokens` tokens, the last one cut at a sentence. */
export function cutProse(
  book: string,
  { tokens, tokenizer, random }: { tokens: number; tokenizer: Tokenizer; random: Random },
): string {
  const longest = Math.min(book.length, TOKEN_CHARACTERS * tokens);
  const at = random.integer(0, book.length - longest);
  const start = at === 0 ? 0 : book.indexOf("\n\n", at) + 2;
  const text = book.slice(start, start + longest);
  return cutToTokens(text, tokens, tokenizer);
}

/** The sentences at the beginning of `text` that take at most `tokens` tokens. */
export function cutToTokens(text: string, tokens: number, tokenizer: Tokenizer): string {
  const ends = sentenceEnds(text);
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const count = tokenizer.encode(text.slice(0, ends[middle - 1])).length;
    if (count <= tokens) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, ends[low - 1] ?? 0).trimEnd();
}

/** `text` with a sentence behind the end of a sentence nearest to `depth` percent of it. */
export function plant(text: string, sentence: string, depth: number): string {
  const wanted = (depth / 100) * text.length;
  const spots = [0, ...sentenceEnds(text)];
  const spot = spots.reduce((best, at) =>
    Math.abs(at - wanted) < Math.abs(best - wanted) ? at : best,
  );
  return `${text.slice(0, spot)} ${sentence} ${text.slice(spot).replace(/^ +/, "")}`.trim();
}
