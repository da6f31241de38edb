// HTML: the readable text, block by block, with headings. A streaming parser that tells where each piece stood,
// so that every line of text knows its line in the source (a DOM would have lost that).

import { Parser } from "htmlparser2";
import type { DocumentText, Mark, TextReader } from "./document.ts";

const SILENT = new Set(
  "script style noscript template svg canvas iframe object rp rt nav footer button select textarea title".split(
    " ",
  ),
);
const BLOCKS = new Set(
  "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure h1 h2 h3 h4 h5 h6 header hgroup hr html li main menu ol p pre section summary table tbody tfoot thead tr ul".split(
    " ",
  ),
);
// Blocks that deserve an empty line before the next one.
const PARAGRAPHS = /^(?:p|h[1-6]|pre|blockquote|table|ul|ol|dl|section|article|figure)$/;

/** HTML and XHTML. */
export const html: TextReader = {
  name: "HTML",
  extensions: ["html", "htm", "xhtml"],
  kind: "prose",
  declaredEncoding: (head) => /<meta[^>]+charset\s*=\s*["']?\s*([\w-]+)/i.exec(head)?.[1],
  readText: readHtml,
};

/** Readable text of HTML or XHTML source. */
export function readHtml(source: string): DocumentText {
  const reader = new HtmlText(source);
  const parser = new Parser(
    {
      onopentag: (name, attributes) => reader.open(name, attributes),
      onclosetag: (name) => reader.close(name),
      ontext: (text) => reader.text(text, parser.startIndex),
    },
    { decodeEntities: true, lowerCaseTags: true },
  );
  parser.write(source);
  parser.end();
  return reader.finish();
}

class HtmlText {
  readonly #source: string;
  readonly #lines: string[] = [];
  readonly #sourceLines: number[] = [];
  readonly #marks: Mark[] = [];
  #length = 0;
  #line = "";
  #lineSource = 1;
  #silent: string[] = [];
  #preDepth = 0;
  #heading: { level: number; line: number; offset: number } | undefined;
  #scanned = 0;
  #scannedLine = 1;

  constructor(source: string) {
    this.#source = source;
  }

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    const isHidden = "hidden" in attributes || attributes["aria-hidden"] === "true";
    if (SILENT.has(name) || (isHidden && BLOCKS.has(name)) || this.#silent.at(-1) === name) {
      this.#silent.push(name);
    }
    if (this.#silent.length > 0) return;
    if (name === "br") this.#endLine();
    if (name === "td" || name === "th") this.#line += this.#line.trim() === "" ? "" : "\t";
    if (BLOCKS.has(name)) this.#endLine();
    if (name === "pre") this.#preDepth++;
    if (name === "li") this.#line = "- ";
    if (/^h[1-6]$/.test(name)) {
      this.#heading = { level: Number(name[1]), line: this.#lines.length, offset: this.#length };
    }
  }

  close(name: string): void {
    if (this.#silent.length > 0) {
      if (this.#silent.at(-1) === name) this.#silent.pop();
      return;
    }
    if (!BLOCKS.has(name)) return;
    if (/^h[1-6]$/.test(name)) this.#endHeading();
    if (name === "pre") this.#preDepth = Math.max(0, this.#preDepth - 1);
    this.#endLine();
    if (PARAGRAPHS.test(name)) this.#emptyLine();
  }

  text(text: string, startIndex: number): void {
    if (this.#silent.length > 0) return;
    const line = this.#sourceLine(startIndex);
    if (this.#preDepth === 0) {
      const isFirst = this.#line.trim() === "" || this.#line === "- ";
      if (isFirst && text.trim() !== "") {
        const leading = text.slice(0, text.length - text.trimStart().length);
        this.#lineSource = line + (leading.match(/\n/g)?.length ?? 0);
      }
      this.#line += text.replace(/[ \t\r\n\f]+/g, " ");
      if (isFirst && this.#line !== "- ") this.#line = this.#line.trimStart();
      return;
    }
    text.split("\n").forEach((piece, i) => {
      if (i > 0) this.#endLine(true);
      if (this.#line === "") this.#lineSource = line + i;
      this.#line += piece;
    });
  }

  finish(): DocumentText {
    this.#endLine();
    while (this.#lines.at(-1) === "") {
      this.#lines.pop();
      this.#sourceLines.pop();
    }
    const marks = this.#marks.filter((mark) => mark.offset < this.#length);
    return {
      text: this.#lines.map((line) => `${line}\n`).join(""),
      marks,
      sourceLines: this.#sourceLines,
    };
  }

  #endHeading(): void {
    const start = this.#heading;
    this.#heading = undefined;
    this.#endLine();
    if (!start || start.offset === this.#length) return;
    const heading = this.#lines.slice(start.line).join(" ").replace(/\s+/g, " ").trim();
    this.#marks.push({ offset: start.offset, heading, level: start.level });
  }

  #endLine(keepEmpty = false): void {
    const line = this.#line.replaceAll("\u00a0", " ").trimEnd();
    this.#line = "";
    if ((line === "" || line === "-") && !keepEmpty) return;
    this.#push(line);
  }

  #emptyLine(): void {
    if (this.#lines.length > 0 && this.#lines.at(-1) !== "") this.#push("");
  }

  #push(line: string): void {
    this.#lines.push(line);
    this.#sourceLines.push(this.#lineSource);
    this.#length += line.length + 1;
  }

  // The parser goes forward only, so lines are counted once.
  #sourceLine(index: number): number {
    for (let at = this.#source.indexOf("\n", this.#scanned); at >= 0 && at < index; ) {
      this.#scannedLine++;
      this.#scanned = at + 1;
      at = this.#source.indexOf("\n", this.#scanned);
    }
    return this.#scannedLine;
  }
}
