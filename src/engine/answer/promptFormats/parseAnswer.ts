// Reads citations, quotes and refusals out of an answer.

import type { ParsedAnswer } from "./promptFormat.ts";

/** What both formats are taught to answer when the passages do not say. */
export const REFUSAL = "not in the text";

const CITATION = /\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]/g;
const QUOTE =
  /["“«]([^"”»\n]{2,}?)["”»]\s*(?:\([^)\n]*\)\s*)?[.,;:]?\s*(?:\[(\d{1,4})[\d,;\s]*\])?/g;

/** Split an answer into its text, citations `[n]` or `[n, m]`, quotes in double quotation marks, and whether it refuses. */
export function parseAnswer(answer: string): ParsedAnswer {
  const cited = new Set<number>();
  for (const [, numbers = ""] of answer.matchAll(CITATION))
    for (const number of numbers.split(/[,;]/)) cited.add(Number(number));
  const quotes = Array.from(answer.matchAll(QUOTE), ([, text = "", passage]) => ({
    text: text.trim(),
    passage: passage === undefined ? undefined : Number(passage),
  }));
  const text = answer
    .replaceAll(CITATION, "")
    .replaceAll(/[ \t]+([.,;:!?])/g, "$1")
    .replaceAll(/[ \t]{2,}/g, " ")
    .trim();
  const start = text.replace(/^[\W_]+/, "").toLowerCase();
  return { text, cited: [...cited], quotes, refused: start.startsWith(REFUSAL) };
}
