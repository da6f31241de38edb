// Pages of a PDF to one text: without running heads and page numbers, words that a line's end parts joined again.

import type { DocumentText, Mark } from "./document.ts";
import type { PdfLine } from "./pdfLines.ts";

export interface PdfPage {
  /** From 1. */
  readonly number: number;
  readonly lines: readonly PdfLine[];
}

/** A heading by the file's own outline. */
export interface OutlineEntry {
  readonly title: string;
  /** 1 is the outermost. */
  readonly level: number;
  readonly page: number;
}

/** Lines at the head and at the foot of a page that may repeat. */
const EDGE = 2;
/** Pages that have to have a line at their edge for it to count as a running one, and their share. */
const LEAST_REPEATS = 3;
const REPEAT_SHARE = 0.3;
// Capital numerals are chapters'.
const PAGE_NUMBER =
  /^(?:(?:[Pp]age|p\.|Seite)\s*)?[-–—\s]*(?:\d{1,4}|[ivxlc]{1,7})[-–—\s]*(?:(?:\/|of|von)\s*\d{1,4})?$/;
const SENTENCE_END = /[.!?:"”’)\]]$/;
const PARTED = /\p{Ll}[-\u00ad]$/u;

/** The text of the pages, with a mark where each begins and where its headings stand. */
export function joinPages(
  pages: readonly PdfPage[],
  outline: readonly OutlineEntry[],
): DocumentText {
  const isRunning = runningLines(pages);
  const marks: Mark[] = [];
  const text = new JoinedText();
  for (const { number, lines: own } of pages) {
    const lines = own.filter((line, i) => !isRunning(line.text, i, own.length));
    const places = lines.map((line, i) => text.add(line, i === 0));
    const begin = places.find(({ isWhollyMoved }) => !isWhollyMoved)?.offset;
    if (begin === undefined) continue;
    const texts = lines.map((line) => line.text);
    const offsets = places.map(({ offset }) => offset);
    marks.push(...marksOf(number, { begin, texts, offsets }, outline));
  }
  return { text: text.toString(), marks };
}

/** Lines one behind the other, paragraphs apart. */
class JoinedText {
  readonly #lines: string[] = [];
  #length = 0;

  /** Returns where the line begins in the text; one that held but the rest of a word has moved to the line before. */
  add({ text, isFirst }: PdfLine, beginsPage: boolean): { offset: number; isWhollyMoved: boolean } {
    const last = this.#lines.at(-1);
    const isLower = /^\p{Ll}/u.test(text);
    // A paragraph may go on from page to page.
    const goesOn = beginsPage && isLower && last !== undefined && !SENTENCE_END.test(last);
    const isParted = isLower && last !== undefined && PARTED.test(last) && (!isFirst || goesOn);
    if (!isParted && isFirst && !goesOn && last !== undefined) this.#push("");
    const rest = isParted ? this.#joinWord(last, text) : text;
    const offset = this.#length;
    if (rest !== "") this.#push(rest);
    return { offset, isWhollyMoved: rest === "" };
  }

  toString(): string {
    return this.#lines.length === 0 ? "" : `${this.#lines.join("\n")}\n`;
  }

  /** The rest of a word goes to where it began; returns what is left of its line. */
  #joinWord(last: string, text: string): string {
    const [word = ""] = /^\S+/.exec(text) ?? [];
    this.#lines[this.#lines.length - 1] = last.slice(0, -1) + word;
    this.#length += word.length - 1;
    return text.slice(word.length).trimStart();
  }

  #push(line: string): void {
    this.#lines.push(line);
    this.#length += line.length + 1;
  }
}

/** Offsets in the whole text: where a page begins, and each of its lines. */
interface PagePlaces {
  readonly begin: number;
  readonly texts: readonly string[];
  readonly offsets: readonly number[];
}

/** Where a page begins, and its headings, in order. */
function marksOf(
  page: number,
  { begin, texts, offsets }: PagePlaces,
  outline: readonly OutlineEntry[],
): Mark[] {
  const found = new Map<number, Mark>([[begin, { offset: begin, page }]]);
  let from = 0;
  for (const { title, level } of outline.filter((entry) => entry.page === page)) {
    const wanted = plain(title);
    const at = texts.findIndex((text, i) => i >= from && isHeading(plain(text), wanted));
    if (at < 0) continue;
    from = at;
    const offset = Math.max(begin, offsets[at] ?? 0);
    const heading = title.replace(/\s+/g, " ").trim();
    const known = found.get(offset);
    if (known?.heading === undefined) found.set(offset, { offset, page, ...known, heading, level });
  }
  return [...found.values()].sort((a, b) => a.offset - b.offset);
}

/** Outlines leave out numbers that stand on the page, and lines break where titles do not. */
function isHeading(line: string, title: string): boolean {
  if (line.length < 2 || title === "") return false;
  return line === title || line.endsWith(title) || (line.length > 8 && title.startsWith(line));
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
}

/** Says whether a line, the i-th of so many, is a page number, or one that many pages have at the same edge. */
function runningLines(pages: readonly PdfPage[]): (text: string, i: number, of: number) => boolean {
  const counts = new Map<string, number>();
  const key = (text: string): string => text.replace(/\d+/g, "#").toLowerCase();
  const isEdge = (i: number, of: number): boolean => i < EDGE || i >= of - EDGE;
  for (const { lines } of pages) {
    const edges = lines.filter((_, i) => isEdge(i, lines.length)).map(({ text }) => key(text));
    for (const text of new Set(edges)) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const least = Math.max(LEAST_REPEATS, REPEAT_SHARE * pages.length);
  return (text, i, of) => {
    if (pages.length < LEAST_REPEATS || of < LEAST_REPEATS || !isEdge(i, of)) return false;
    const isOuter = i === 0 || i === of - 1;
    return (isOuter && PAGE_NUMBER.test(text)) || (counts.get(key(text)) ?? 0) >= least;
  };
}
