// Which pages come back, and at which positions: the parts of recall that need no GPU.

import { PAGE_TOKENS } from "./pageLayout.ts";

/** A page, or its first tokens. */
export interface ChosenPage {
  readonly page: number;
  readonly tokens: number;
}

/**
 * The pages with the highest scores that hold `tokens` tokens together, in ascending order; of equal scores the lower page.
 * The last one chosen is cut where it is too long.
 */
export function choosePages(
  scores: ArrayLike<number>,
  tokens: number,
  tokensIn: (page: number) => number,
): ChosenPage[] {
  const order = Array.from({ length: scores.length }, (_, page) => page).sort(
    (a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b,
  );
  const chosen: ChosenPage[] = [];
  let left = tokens;
  for (const page of order) {
    if (left === 0) break;
    const count = Math.min(left, tokensIn(page));
    chosen.push({ page, tokens: count });
    left -= count;
  }
  return chosen.sort((a, b) => a.page - b.page);
}

/**
 * The rank of each kept and each recalled token among all of them, by their places in the document: in-cache positions.
 * Kept ones are in ascending order, recalled ones in ascending order within each page.
 */
export function ranksOf(kept: ArrayLike<number>, recalled: ArrayLike<number>): Uint32Array {
  const total = kept.length + recalled.length;
  const places = Uint32Array.from({ length: total }, (_, slot) =>
    slot < kept.length ? (kept[slot] ?? 0) : (recalled[slot - kept.length] ?? 0),
  );
  const order = Uint32Array.from(places.keys()).sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
  const ranks = new Uint32Array(total);
  for (const [rank, slot] of order.entries()) ranks[slot] = rank;
  return ranks;
}

/** The numbers of the tokens in a record's first rows. */
export function positionsIn(record: Uint8Array, positionsAt: number, tokens: number): Uint32Array {
  const end = positionsAt + 4 * Math.min(tokens, PAGE_TOKENS);
  // A copy, aligned: a record may lie anywhere in what a file gave.
  return new Uint32Array(new Uint8Array(record.subarray(positionsAt, end)).buffer);
}
