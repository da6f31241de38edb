// A document as the rest of Lectern sees it: text with LF line ends, and the way back to lines of its source.

import type { Anchor } from "../../protocol.ts";

/** A place worth naming in the text; `offset` counts UTF-16 units, as JavaScript does. */
export interface Mark {
  readonly offset: number;
  readonly heading?: string;
  /** Depth of the heading: 1 is the outermost. */
  readonly level?: number;
  readonly page?: number;
}

/** What a format makes of a file's bytes. */
export interface DocumentText {
  readonly text: string;
  /** In order of offset. */
  readonly marks: readonly Mark[];
  /** Source line of each line of `text`; absent where they are the same. */
  readonly sourceLines?: readonly number[];
  /** Parts of the file that could not be read, for the receipt. */
  readonly unread?: string;
}

interface FormatFacts {
  readonly name: string;
  /** File name endings in lower case, without the dot. */
  readonly extensions: readonly string[];
  /** Code is split into passages at blank lines and declarations, prose at paragraphs. */
  readonly kind: "prose" | "code";
}

/** A format whose files are text: it gets the decoded text with LF line ends. */
export interface TextReader extends FormatFacts {
  /** The encoding that the first bytes, read as Latin-1, say the file is in. */
  declaredEncoding?(head: string): string | undefined;
  readText(text: string): DocumentText;
}

export interface ReadingOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with pages of a long file as they are read. */
  readonly onPages?: ((done: number, total: number) => void) | undefined;
}

/** A format whose files are binary. Throws UserError with what is wrong with a file it cannot read. */
export interface BinaryReader extends FormatFacts {
  readBytes(bytes: Uint8Array, options?: ReadingOptions): Promise<DocumentText>;
}

export type DocumentReader = TextReader | BinaryReader;

export interface SourceDocument extends DocumentText {
  /** The path as the user's own paths lead to it, with forward slashes. */
  readonly path: string;
  /** The path shown to models: relative to the folder that was named. */
  readonly label: string;
  readonly format: string;
  readonly kind: "prose" | "code";
  readonly anchors: readonly Anchor[];
  /** UTF-16 offset where each line of `text` starts. */
  readonly lineStarts: Uint32Array;
}

/** Build a document from what its format read. */
export function createDocument(
  place: { readonly path: string; readonly label: string },
  format: { readonly id: string; readonly kind: "prose" | "code" },
  read: DocumentText,
): SourceDocument {
  const document = {
    ...read,
    path: place.path,
    label: place.label,
    format: format.id,
    kind: format.kind,
    lineStarts: findLineStarts(read.text),
  };
  return { ...document, anchors: anchorsOf(document) };
}

/** 1-based line of the source that holds UTF-16 offset `offset` of the text. */
export function sourceLineAt(
  document: Pick<SourceDocument, "lineStarts" | "sourceLines">,
  offset: number,
): number {
  const line = textLineAt(document.lineStarts, offset);
  return document.sourceLines?.[line] ?? line + 1;
}

/** 0-based line of the text that holds UTF-16 offset `offset`. */
export function textLineAt(lineStarts: Uint32Array, offset: number): number {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The last mark at or before `offset` that has the wanted property. */
export function markBefore(
  marks: readonly Mark[],
  offset: number,
  property: "heading" | "page",
): Mark | undefined {
  let low = 0;
  let high = marks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((marks[middle]?.offset ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  for (let i = low - 1; i >= 0; i--) if (marks[i]?.[property] !== undefined) return marks[i];
  return undefined;
}

function findLineStarts(text: string): Uint32Array {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return Uint32Array.from(starts);
}

// Offsets leave the engine as code points; marks are in order, so one pass over the text converts them all.
function anchorsOf(document: Omit<SourceDocument, "anchors">): Anchor[] {
  const marks =
    document.marks[0]?.offset === 0 ? document.marks : [{ offset: 0 }, ...document.marks];
  const hasAstral = /[\u{10000}-\u{10FFFF}]/u.test(document.text);
  let offset = 0;
  let codePoints = 0;
  return marks.map((mark: Mark) => {
    codePoints += hasAstral
      ? countCodePoints(document.text, offset, mark.offset)
      : mark.offset - offset;
    offset = mark.offset;
    return {
      offset: codePoints,
      line: sourceLineAt(document, mark.offset),
      ...(mark.page !== undefined && { page: mark.page }),
      ...(mark.heading !== undefined && { heading: mark.heading }),
    };
  });
}

function countCodePoints(text: string, start: number, end: number): number {
  let count = end - start;
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xdc00 && unit <= 0xdfff) count--;
  }
  return count;
}
