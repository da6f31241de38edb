// `read`: the text that Lectern sees, with its anchors and its length in tokens.

import type { ReadResult } from "../../protocol.ts";
import { readDocuments } from "../documents/readDocuments.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Watch } from "./searchPassages.ts";
import type { Shelf } from "./shelf.ts";

/** Read the named paths. Throws UserError where there is nothing to read. */
export async function readTexts(
  paths: readonly string[],
  tools: { readonly shelf: Shelf; readonly tokenizer: Tokenizer },
  watch: Watch,
): Promise<ReadResult> {
  const { shelf, tokenizer } = tools;
  const read = await readDocuments(paths, { ...watch, library: shelf.library });
  const documents = [];
  for (const document of read.documents) {
    const { path, format, text, anchors } = document;
    const tokens = await shelf.countTokens([document], tokenizer, watch.signal);
    documents.push({ path, format, text, anchors, tokens });
  }
  return { documents, skipped: read.skipped };
}
