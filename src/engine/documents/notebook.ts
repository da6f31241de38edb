// Jupyter notebooks, versions 2 to 4: the cells as Markdown, code fenced, outputs left out (they are pictures and repetitions).

import { UserError } from "../errors.ts";
import type { DocumentText, TextReader } from "./document.ts";
import { markdownHeadings } from "./markdown.ts";

const FENCE = "```";

/** Jupyter notebooks. */
export const notebook: TextReader = {
  name: "Jupyter notebook",
  extensions: ["ipynb"],
  kind: "prose",
  readText: readNotebook,
};

function readNotebook(source: string): DocumentText {
  const root = parse(source);
  const language = languageOf(root);
  const lines = new LineFinder(source);
  const text: string[] = [];
  const sourceLines: number[] = [];
  const push = (line: string, sourceLine: number) => {
    text.push(`${line}\n`);
    sourceLines.push(sourceLine);
  };
  for (const cell of cellsOf(root)) {
    const pieces = piecesOf(cell);
    if (pieces.join("").trim() === "") continue;
    if (text.length > 0) push("", lines.current);
    const isCode = cell.cell_type === "code";
    const level = cell.cell_type === "heading" ? Number(cell.level) || 1 : 0;
    if (isCode) push(`${FENCE}${language}`, lines.peek(pieces[0] ?? ""));
    for (const { line, sourceLine } of splitLines(pieces, lines)) {
      push(level > 0 ? `${"#".repeat(level)} ${line}` : line, sourceLine);
    }
    if (isCode) push(FENCE, lines.current);
  }
  const joined = text.join("");
  return { text: joined, marks: markdownHeadings(joined), sourceLines };
}

interface Cell {
  readonly cell_type?: unknown;
  readonly level?: unknown;
  readonly source?: unknown;
  /** Where version 3 and before keep code. */
  readonly input?: unknown;
}

function parse(source: string): Record<string, unknown> {
  try {
    const root: unknown = JSON.parse(source);
    if (isRecord(root)) return root;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UserError("This is no valid notebook (its JSON is broken).");
}

function cellsOf(root: Record<string, unknown>): Cell[] {
  const sheets = Array.isArray(root.worksheets) ? root.worksheets : [root];
  return sheets.flatMap((sheet: unknown) =>
    isRecord(sheet) && Array.isArray(sheet.cells) ? sheet.cells.filter(isRecord) : [],
  );
}

function languageOf({ metadata }: Record<string, unknown>): string {
  const info = isRecord(metadata) ? (metadata.language_info ?? metadata.kernelspec) : undefined;
  const name = isRecord(info) ? (info.name ?? info.language) : undefined;
  return typeof name === "string" ? name : "";
}

/** The strings a cell's text is kept in, each with its line end but the last. */
function piecesOf({ source, input }: Cell): string[] {
  const kept = source ?? input;
  if (typeof kept === "string") return [kept];
  if (!Array.isArray(kept)) return [];
  const pieces = kept.filter((piece): piece is string => typeof piece === "string");
  // Version 2 kept lines without their ends.
  const hasEnds = pieces.slice(0, -1).every((piece) => piece.endsWith("\n"));
  return hasEnds
    ? pieces
    : pieces.map((piece, i) => (i < pieces.length - 1 ? `${piece}\n` : piece));
}

function splitLines(pieces: readonly string[], lines: LineFinder) {
  return pieces.flatMap((piece) => {
    const sourceLine = lines.next(piece);
    return piece
      .replace(/\n$/, "")
      .split("\n")
      .map((line) => ({ line, sourceLine }));
  });
}

/** Finds the line of the file on which each string stands, going forward only. */
class LineFinder {
  readonly #source: string;
  #at = 0;
  #line = 1;

  constructor(source: string) {
    this.#source = source;
  }

  get current(): number {
    return this.#line;
  }

  /** The line of the next place where `piece` stands; the current line where it is not found. */
  peek(piece: string): number {
    return this.#find(piece)?.line ?? this.#line;
  }

  /** Like `peek`, and go on behind it. */
  next(piece: string): number {
    const found = this.#find(piece);
    if (found) {
      this.#line = found.line;
      this.#at = found.index + 1;
    }
    return this.#line;
  }

  // Not found: escapes written otherwise than JSON.stringify writes them.
  #find(piece: string): { readonly index: number; readonly line: number } | undefined {
    const [written, bare] = [piece, piece.replace(/\n$/, "")].map((text) =>
      this.#source.indexOf(JSON.stringify(text), this.#at),
    );
    const index = Math.min(...[written ?? -1, bare ?? -1].filter((at) => at >= 0));
    if (!Number.isFinite(index)) return undefined;
    let line = this.#line;
    for (let at = this.#source.indexOf("\n", this.#at); at >= 0 && at < index; line++) {
      at = this.#source.indexOf("\n", at + 1);
    }
    return { index, line };
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
