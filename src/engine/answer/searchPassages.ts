// `search`: the passages that an answer would read again, best first.

import type { Observer, Passage, Requests } from "../../protocol.ts";
import { readDocuments } from "../documents/readDocuments.ts";
import { passageText, placeOf } from "./passages.ts";
import type { ScoredPassage } from "./searchIndex.ts";
import type { Shelf } from "./shelf.ts";

const DEFAULT_LIMIT = 10;

export interface Watch {
  readonly observer?: Observer;
  readonly signal?: AbortSignal;
}

/** Read and search the named paths. Throws UserError where there is nothing to read. */
export async function searchPassages(
  params: Requests["search"]["params"],
  shelf: Shelf,
  watch: Watch,
): Promise<Requests["search"]["result"]> {
  const { documents, skipped } = await readDocuments(params.paths, {
    ...watch,
    library: shelf.library,
  });
  await shelf.index.add(documents, watch);
  const limit = params.limit ?? DEFAULT_LIMIT;
  const found = shelf.index.search(documents, { text: params.question }, limit);
  return { passages: found.map(toPassage), skipped };
}

/** A passage as the protocol has it. */
export function toPassage(passage: ScoredPassage): Passage {
  const { heading: _, ...place } = placeOf(passage);
  return { ...place, score: passage.score, text: passageText(passage) };
}
