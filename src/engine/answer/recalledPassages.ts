// Where recall points: the passages whose tokens a question brought back most.

import type { Citation } from "../../protocol.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { locate, textOffsets } from "./keptMap.ts";
import { placeOf, type TextPassage } from "./passages.ts";
import type { ScoredPassage } from "./searchIndex.ts";

export interface RecalledPassage {
  readonly passage: TextPassage;
  /** Share of all that came back, over layers and heads. */
  readonly share: number;
}

/** The passages of a reading by what came back of them, most first; `weights` say which share each token had. */
export function recalledPassages(
  { tokens, passages }: { tokens: readonly number[]; passages: readonly TextPassage[] },
  weights: ReadonlyMap<number, number>,
  tokenizer: Tokenizer,
): RecalledPassage[] {
  if (weights.size === 0) return [];
  const edges = [...weights.keys()].filter((token) => token < tokens.length).sort((a, b) => a - b);
  const { text, at } = textOffsets(tokens, edges, tokenizer);
  const located = locate(text, passages);
  const shares = new Map<TextPassage, number>();
  let next = 0;
  for (const [i, token] of edges.entries()) {
    const offset = at[i] ?? 0;
    while (next + 1 < located.length && (located[next + 1]?.start ?? 0) <= offset) next++;
    const found = located[next];
    if (!found || offset < found.start) continue;
    const { passage, start } = found;
    if (offset - start >= passage.end - passage.start) continue;
    shares.set(passage, (shares.get(passage) ?? 0) + (weights.get(token) ?? 0));
  }
  return [...shares]
    .map(([passage, share]) => ({ passage, share }))
    .sort((a, b) => b.share - a.share);
}

/** Passages that recall adds to those of a search. */
const NUM_RECALLED = 2;
/** What recall may add to a passage's score, as a share of the best one's: it points less surely than shared words. */
const RECALL_WEIGHT = 0.5;

/**
 * Passages of a search, best first, with what recall points to among them: each of its first passages gains by the share it
 * had, whether the search found it or not.
 */
export function joinRecalled(
  found: readonly ScoredPassage[],
  recalled: readonly RecalledPassage[],
): ScoredPassage[] {
  const [most] = recalled;
  if (!most) return [...found];
  const best = found[0]?.score ?? 1;
  const joined = found.map((passage) => ({ ...passage }));
  for (const { passage, share } of recalled.slice(0, NUM_RECALLED)) {
    const gain = (best * RECALL_WEIGHT * share) / most.share;
    const known = joined.findIndex((other) => isSamePassage(other, passage));
    const old = joined[known];
    if (old) joined[known] = { ...old, score: old.score + gain };
    else joined.push({ ...passage, score: gain });
  }
  return joined.sort((a, b) => b.score - a.score);
}

/** Citations that say which evidence led to them. */
export function withEvidence(
  citations: readonly Citation[],
  found: readonly TextPassage[],
  recalled: readonly RecalledPassage[],
): Citation[] {
  const pointed = recalled.slice(0, NUM_RECALLED).map(({ passage }) => passage);
  const isIn = (citation: Citation, passages: readonly TextPassage[]): boolean =>
    passages.some((passage) => {
      const { path, startLine, endLine } = placeOf(passage);
      return (
        path === citation.path && startLine <= citation.startLine && citation.endLine <= endLine
      );
    });
  return citations.map((citation) => {
    const [bySearch, byCache] = [isIn(citation, found), isIn(citation, pointed)];
    if (!bySearch && !byCache) return citation;
    const evidence = bySearch && byCache ? "both" : bySearch ? "search" : "cache";
    return { ...citation, evidence };
  });
}

/** Whether two passages begin at one place. */
export function isSamePassage(a: TextPassage, b: TextPassage): boolean {
  return a.document.path === b.document.path && a.start === b.start;
}
