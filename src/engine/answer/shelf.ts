// What the engine keeps between questions: documents read, their indexes, and how many tokens each has.

import { type SourceDocument, textLineAt } from "../documents/document.ts";
import { Library } from "../documents/readDocuments.ts";
import { Breather } from "../progress.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { SearchIndex } from "./searchIndex.ts";

/** A document is counted in pieces of about this many characters, so that a stop is quick. */
const PIECE = 65536;

export class Shelf {
  readonly library = new Library();
  readonly index = new SearchIndex();
  readonly #tokens = new WeakMap<Tokenizer, WeakMap<SourceDocument, number>>();

  /** Tokens of all documents under one tokenizer, counted once for each. */
  async countTokens(
    documents: readonly SourceDocument[],
    tokenizer: Tokenizer,
    signal?: AbortSignal,
  ): Promise<number> {
    const known = this.#tokens.get(tokenizer) ?? new WeakMap<SourceDocument, number>();
    this.#tokens.set(tokenizer, known);
    const breather = new Breather(signal);
    let total = 0;
    for (const document of documents) {
      let count = known.get(document);
      if (count === undefined) {
        count = await tokensOf(document, tokenizer, breather);
        known.set(document, count);
      }
      total += count;
    }
    return total;
  }
}

// Pieces end at line ends, where hardly any token crosses.
async function tokensOf(
  { text, lineStarts }: SourceDocument,
  tokenizer: Tokenizer,
  breather: Breather,
): Promise<number> {
  let count = 0;
  for (let start = 0; start < text.length; ) {
    const wanted = start + PIECE;
    const line = lineStarts[textLineAt(lineStarts, wanted)] ?? 0;
    const end = wanted >= text.length ? text.length : line > start ? line : wanted;
    count += tokenizer.encode(text.slice(start, end)).length;
    start = end;
    if (breather.isDue) await breather.breathe();
  }
  return count;
}
