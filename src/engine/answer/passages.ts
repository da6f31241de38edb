// Documents cut into passages: whole paragraphs or blocks of code, never across a heading, verbatim, of bounded size.

import { markBefore, type SourceDocument, sourceLineAt } from "../documents/document.ts";
import { sentenceEnds } from "./sentences.ts";

/** Part of a document; offsets are UTF-16 units of its text. */
export interface TextPassage {
  readonly document: SourceDocument;
  readonly start: number;
  readonly end: number;
}

/** Short blocks are joined up to `target` units; a longer block is cut below `max`. */
const PROSE = { target: 800, max: 1200 };
const CODE = { target: 1000, max: 1400 };
/** A Chinese or Japanese character says as much as three letters, and costs as many tokens. */
const DENSE = { target: 300, max: 450 };
const DENSE_LETTER = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;

/** The passages of a document, in order; together they hold all of its text but blank lines. */
export function splitPassages(document: SourceDocument): TextPassage[] {
  const limits = limitsFor(document);
  const starts = new Set(
    document.marks.filter((mark) => mark.heading !== undefined).map((mark) => mark.offset),
  );
  const passages: TextPassage[] = [];
  let open: { start: number; end: number } | undefined;
  const close = () => {
    if (open) passages.push({ document, ...open });
    open = undefined;
  };
  for (const block of blocks(document)) {
    const isNewPart = starts.has(block.start) && (document.kind === "prose" || isFull(open, 300));
    if (open && (isNewPart || block.end - open.start > limits.target)) close();
    open = open ? { start: open.start, end: block.end } : block;
    while (open.end - open.start > limits.max) {
      const cut = cutPoint(document.text, open.start, limits);
      passages.push({ document, start: open.start, end: trimEnd(document.text, open.start, cut) });
      open = { start: skipSpace(document.text, cut, open.end), end: open.end };
    }
  }
  close();
  return passages.filter((passage) => passage.end > passage.start);
}

/** The passage's words, as they stand in the document. */
export function passageText(passage: TextPassage): string {
  return passage.document.text.slice(passage.start, passage.end);
}

/** First and last source line, page and heading of a part of a document. */
export function placeOf(passage: TextPassage) {
  const { document, start, end } = passage;
  const page = markBefore(document.marks, start, "page")?.page;
  const heading = markBefore(document.marks, start, "heading")?.heading;
  return {
    path: document.path,
    startLine: sourceLineAt(document, start),
    endLine: sourceLineAt(document, Math.max(start, end - 1)),
    ...(page !== undefined && { page }),
    ...(heading !== undefined && { heading }),
  };
}

function limitsFor(document: SourceDocument) {
  const sample = document.text.slice(0, 4000);
  const dense = sample.match(DENSE_LETTER)?.length ?? 0;
  if (dense > sample.length * 0.25) return DENSE;
  return document.kind === "code" ? CODE : PROSE;
}

function isFull(open: { start: number; end: number } | undefined, length: number): boolean {
  return open !== undefined && open.end - open.start >= length;
}

// Runs of lines without an empty one between them; a heading starts a block of its own.
function* blocks(document: SourceDocument): Generator<{ start: number; end: number }> {
  const { text, lineStarts } = document;
  const headings = new Set(document.marks.map((mark) => mark.offset));
  let start = -1;
  let end = -1;
  for (let line = 0; line < lineStarts.length; line++) {
    const lineStart = lineStarts[line] ?? 0;
    const lineEnd = trimEnd(text, lineStart, (lineStarts[line + 1] ?? text.length + 1) - 1);
    const isBlank = lineEnd === lineStart;
    if (start >= 0 && (isBlank || headings.has(lineStart))) {
      yield { start, end };
      start = -1;
    }
    if (isBlank) continue;
    if (start < 0) start = lineStart;
    end = lineEnd;
  }
  if (start >= 0) yield { start, end };
}

// The last line end or sentence end that leaves a passage of about the target size.
function cutPoint(text: string, start: number, limits: { target: number; max: number }): number {
  const piece = text.slice(start, start + limits.max);
  const line = piece.lastIndexOf("\n", limits.target);
  if (line > limits.target / 2) return start + line;
  const sentence = sentenceEnds(piece).findLast((end) => end <= limits.target);
  if (sentence !== undefined && sentence > limits.target / 2) return start + sentence;
  const space = piece.lastIndexOf(" ", limits.target);
  if (space > limits.target / 2) return start + space;
  // No place to cut at: only keep surrogate pairs together.
  const unit = text.charCodeAt(start + limits.target);
  return start + limits.target + (unit >= 0xdc00 && unit <= 0xdfff ? 1 : 0);
}

function trimEnd(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && isSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

function skipSpace(text: string, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13) || unit === 0xa0 || unit === 0x3000;
}
