// Quotes checked against the text: white space folded, everything else character for character.

import type { Citation } from "../../protocol.ts";
import { placeOf, type TextPassage } from "./passages.ts";
import { splitSentences } from "./sentences.ts";

const MAX_QUOTE = 400;

export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Where `quote` stands in `text` between two offsets, white space folded; undefined where it does not. A quote that begins
 * or ends with a letter or digit is not found inside a longer word or number.
 */
export function findQuote(text: string, quote: string, range?: Span): Span | undefined {
  const words = quote.split(/\s+/).filter((word) => word !== "");
  const [first] = words;
  const last = words.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const before = /^[\p{L}\p{N}]/u.test(first) && !isDense(first) ? "(?<![\\p{L}\\p{N}])" : "";
  const after = /[\p{L}\p{N}]$/u.test(last) && !isDense(last) ? "(?![\\p{L}\\p{N}])" : "";
  const pattern = new RegExp(before + words.map(escapePattern).join("\\s+") + after, "gu");
  pattern.lastIndex = range?.start ?? 0;
  const match = pattern.exec(range ? text.slice(0, range.end) : text);
  return match ? { start: match.index, end: match.index + match[0].length } : undefined;
}

/** True if `quote` stands in the source lines `startLine` to `endLine` of the passage's document. */
export function occursInLines(
  passage: TextPassage,
  lines: { readonly startLine: number; readonly endLine: number },
  quote: string,
): boolean {
  const { document } = passage;
  const start = document.lineStarts.findIndex((_, i) => sourceLine(document, i) >= lines.startLine);
  const next = document.lineStarts.findIndex((_, i) => sourceLine(document, i) > lines.endLine);
  const end = next < 0 ? document.text.length : (document.lineStarts[next] ?? 0);
  return (
    start >= 0 &&
    findQuote(document.text.slice(document.lineStarts[start], end), quote) !== undefined
  );
}

/** The sentence around a span, or a window of it where it is long, from word to word. */
export function quoteAround(passage: TextPassage, span: Span): Span {
  const { document, start, end } = passage;
  const sentences = splitSentences(document.text.slice(start, end)).map((sentence) => ({
    start: sentence.start + start,
    end: sentence.end + start,
  }));
  const first = sentences.findLast((sentence) => sentence.start <= span.start);
  const last = sentences.find((sentence) => sentence.end >= span.end);
  const whole = { start: first?.start ?? span.start, end: last?.end ?? span.end };
  if (whole.end - whole.start <= MAX_QUOTE) return whole;
  return windowAround(document.text, whole, span);
}

/** A citation of a span of a passage that the model's own text led to. `verified` is checked here, against the lines. */
export function citeAnswer(passage: TextPassage, span: Span, modelText: string): Citation {
  const quoted = { document: passage.document, ...quoteAround(passage, span) };
  const { heading: _, ...place } = placeOf(quoted);
  const quote = passage.document.text.slice(quoted.start, quoted.end);
  const verified = occursInLines(passage, place, modelText) && occursInLines(passage, place, quote);
  return { ...place, quote, verified, origin: "answer" };
}

/** A citation of a part of a passage that is merely shown. */
export function citePassage(passage: TextPassage, span: Span): Citation {
  const { heading: _, ...place } = placeOf({ document: passage.document, ...span });
  const quote = passage.document.text.slice(span.start, span.end);
  return { ...place, quote, verified: false, origin: "passage" };
}

function windowAround(text: string, whole: Span, span: Span): Span {
  const room = Math.max(0, MAX_QUOTE - (span.end - span.start)) / 2;
  let start = Math.max(whole.start, Math.floor(span.start - room));
  let end = Math.min(whole.end, Math.ceil(span.end + room));
  while (start > whole.start && start < span.start && !/\s/.test(text[start - 1] ?? "")) start++;
  while (end < whole.end && end > span.end && !/\s/.test(text[end] ?? "")) end--;
  return { start, end };
}

function sourceLine(document: TextPassage["document"], line: number): number {
  return document.sourceLines?.[line] ?? line + 1;
}

function isDense(word: string): boolean {
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(word);
}

function escapePattern(word: string): string {
  return word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
