// Markdown is kept as it was written; its headings become anchors.

import type { Mark, TextReader } from "./document.ts";

/** Markdown: ATX and Setext headings, none inside fenced code. */
export const markdown: TextReader = {
  name: "Markdown",
  extensions: ["md", "markdown", "mdx", "mdown", "qmd"],
  kind: "prose",
  readText(text) {
    return { text, marks: markdownHeadings(text) };
  },
};

/** ATX and Setext headings of Markdown text, none inside fenced code. */
export function markdownHeadings(text: string): Mark[] {
  const marks: Mark[] = [];
  let fence: string | undefined;
  let previous = { text: "", offset: 0 };
  let offset = 0;
  for (const line of text.split("\n")) {
    const opened = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (opened?.startsWith(fence) && line.trim() === opened) fence = undefined;
    } else if (opened !== undefined) {
      fence = opened;
    } else {
      const atx = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/.exec(line);
      if (atx?.[1] && atx[2]) marks.push({ offset, heading: atx[2], level: atx[1].length });
      else if (/^ {0,3}(?:=+|-{2,})\s*$/.test(line) && /^[^\s>|#*-]/.test(previous.text)) {
        const level = line.trimStart().startsWith("=") ? 1 : 2;
        marks.push({ offset: previous.offset, heading: previous.text.trim(), level });
      }
    }
    previous = { text: line, offset };
    offset += line.length + 1;
  }
  return marks;
}
