// DOCX, what Word writes: paragraphs, lists, tables and notes; headings are anchors.

import type { BinaryReader } from "./document.ts";
import { extractText } from "./extraction.ts";

export const docx: BinaryReader = {
  name: "Word",
  extensions: ["docx"],
  kind: "prose",
  readBytes: (bytes, options) => extractText({ format: "docx", bytes }, options),
};
