// The registry of document formats: the file ending decides, then whether the name has one at all.

import { code } from "./code.ts";
import type { DocumentReader } from "./document.ts";
import { docx } from "./docx.ts";
import { epub } from "./epub.ts";
import { html } from "./html.ts";
import { markdown } from "./markdown.ts";
import { notebook } from "./notebook.ts";
import { pdf } from "./pdf.ts";
import { plainText } from "./plainText.ts";

export const documentFormats = {
  text: plainText,
  markdown,
  code,
  html,
  notebook,
  epub,
  pdf,
  docx,
} satisfies Record<string, DocumentReader>;

export type DocumentFormatId = keyof typeof documentFormats;

/** The format for a file name; names with an unknown ending are read as plain text if they are text at all. */
export function documentFormatOf(fileName: string): DocumentFormatId {
  const name = fileName.toLowerCase();
  const ending = name.slice(name.lastIndexOf(".") + 1);
  for (const id of formatIds()) {
    if (documentFormats[id].extensions.includes(ending)) return id;
  }
  return "text";
}

/** Every id, in the order of the registry. */
export function formatIds(): DocumentFormatId[] {
  // Object.keys cannot know that the registry has no other keys.
  return Object.keys(documentFormats) as DocumentFormatId[];
}
