// PDF: the text of its pages; pages and the entries of its outline are anchors.

import type { BinaryReader } from "./document.ts";
import { extractText } from "./extraction.ts";

export const pdf: BinaryReader = {
  name: "PDF",
  extensions: ["pdf"],
  kind: "prose",
  readBytes: (bytes, options) => extractText({ format: "pdf", bytes }, options),
};
