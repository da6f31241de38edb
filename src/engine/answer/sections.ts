// A document cut into sections for a summary: by its own chapters where it has them, else into even parts.

import { type SourceDocument, sourceLineAt } from "../documents/document.ts";
import type { TextPassage } from "./passages.ts";

export interface Section extends TextPassage {
  readonly title: string;
}

/** More sections than this are nobody's summary: inner headings are given up, then neighbours joined. */
const MAX_SECTIONS = 60;
/** A heading with less text than this below it stands in a table of contents, or opens its first subsection. */
const MIN_BODY = 200;
const PART_LENGTH = 20_000;
const MAX_PARTS = 20;

/** Sections in order; together they hold the document but its contents pages. */
export function splitSections(document: SourceDocument): Section[] {
  const levels = [...new Set(document.marks.map((mark) => mark.level ?? 0))].filter(Boolean).sort();
  for (const deepest of levels.reverse()) {
    const sections = sectionsAt(document, deepest);
    if (sections.length > 1 && sections.length <= MAX_SECTIONS) return sections;
    // Only the outermost headings are left, and still too many.
    if (sections.length > MAX_SECTIONS && deepest === levels.at(-1)) return joinToFit(sections);
  }
  return parts(document);
}

function sectionsAt(document: SourceDocument, deepest: number): Section[] {
  const headings = document.marks.filter(
    (mark) => mark.heading !== undefined && (mark.level ?? 1) <= deepest,
  );
  const starts = [
    ...(headings[0]?.offset === 0 ? [] : [{ offset: 0, heading: "Beginning" }]),
    ...headings,
  ];
  return starts.flatMap((mark, i): Section[] => {
    const end = starts[i + 1]?.offset ?? document.text.length;
    const section = { document, start: mark.offset, end, title: mark.heading ?? "" };
    return bodyLength(section) < MIN_BODY ? [] : [section];
  });
}

// The text of a section without the headings in it.
function bodyLength({ document, start, end }: TextPassage): number {
  const headings = document.marks
    .filter((mark) => mark.offset >= start && mark.offset < end)
    .reduce((sum, mark) => sum + (mark.heading?.length ?? 0), 0);
  return document.text.slice(start, end).replace(/\s+/g, " ").trim().length - headings;
}

function joinToFit(sections: readonly Section[]): Section[] {
  const size = Math.ceil(sections.length / MAX_SECTIONS);
  const joined: Section[] = [];
  for (let i = 0; i < sections.length; i += size) {
    const [first] = sections.slice(i, i + size);
    const last = sections.slice(i, i + size).at(-1);
    if (!first || !last) continue;
    const title = first === last ? first.title : `${first.title} to ${last.title}`;
    joined.push({ ...first, end: last.end, title });
  }
  return joined;
}

function parts(document: SourceDocument): Section[] {
  const { text, lineStarts } = document;
  const count = Math.min(MAX_PARTS, Math.max(1, Math.round(text.length / PART_LENGTH)));
  const starts = [0];
  for (let i = 1; i < count; i++) {
    const wanted = (text.length / count) * i;
    const line = lineStarts.find((start) => start >= wanted);
    if (line !== undefined && line > (starts.at(-1) ?? 0)) starts.push(line);
  }
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? text.length;
    const first = sourceLineAt(document, start);
    const last = sourceLineAt(document, Math.max(start, end - 1));
    const title = starts.length === 1 ? document.label : `Lines ${first} to ${last}`;
    return { document, start, end, title };
  });
}
