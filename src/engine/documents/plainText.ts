// Plain text: chapter lines and short lines standing alone become headings.

import type { Mark, TextReader } from "./document.ts";

const CHAPTER =
  /^\s*(?:(?:book|part|volume)\b|(?:chapter|canto|act|scene|section|appendix|letter)\s+(?:[ivxlcdm]+\b|\d+|[a-z]+)|(?:prologue|epilogue|preface|introduction|contents|etymology)\b|第[\d零〇一二三四五六七八九十百千两]+[回章卷节部篇])/i;
const OUTER = /^\s*(?:book|part|volume|act|第[^回章卷节部篇]+[卷部])/i;
const MAX_HEADING_LENGTH = 70;

/** Plain text. */
export const plainText: TextReader = {
  name: "Plain text",
  extensions: ["txt", "text", "log", "rst", "adoc", "org", "tex", "csv", "tsv", ""],
  kind: "prose",
  readText(text) {
    return { text, marks: headings(text) };
  },
};

function headings(text: string): Mark[] {
  const marks: Mark[] = [];
  let isAfterBlank = true;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const isShort = end - start <= MAX_HEADING_LENGTH;
    if (isAfterBlank && isShort && isBlankLine(text, end + 1)) {
      const line = text.slice(start, end).trim();
      if (CHAPTER.test(line) && !/[。，；！？：]$/.test(line))
        marks.push(mark(start, line, OUTER.test(line) ? 1 : 2));
      else if (isTitle(line)) marks.push(mark(start, line, 2));
    }
    isAfterBlank = isShort && text.slice(start, end).trim() === "";
    start = end + 1;
  }
  return marks;
}

function mark(offset: number, heading: string, level: number): Mark {
  return { offset, heading, level };
}

function isBlankLine(text: string, start: number): boolean {
  const newline = text.indexOf("\n", start);
  return text.slice(start, newline < 0 ? text.length : newline).trim() === "";
}

// A line alone between blank ones that starts with a capital and ends like no sentence.
function isTitle(line: string): boolean {
  if (line.length > 50 || !/^\p{Lu}/u.test(line) || /[.,;:!?"”’*]$/.test(line)) return false;
  const words = line.split(/\s+/);
  return (
    words.length <= 8 && words.filter((word) => /^[\p{Lu}\d]/u.test(word)).length * 2 > words.length
  );
}
