// Sparse prefill on the CPU: scores of blocks by each selector, the choice among them, and attention to what was chosen.
// Written to be obviously right.

import type { PrefillSelectorId } from "../../src/engine/model/sparsity/index.ts";
import { type AttentionInput, at, attention } from "./operations.ts";

/** Blocks of so many slots. */
export const BLOCK = 64;

export type SparseInput = Omit<AttentionInput, "window">;

/** [KV heads][query blocks][key blocks] */
export type BlockScores = readonly (readonly (readonly number[])[])[];

/** Slots of the pass's first query block on: block numbers. */
export function queryBlocks({ queries, numHeads, headDim, length }: SparseInput): number[] {
  const tokens = queries.length / (numHeads * headDim);
  const first = Math.floor((length - tokens) / BLOCK);
  const end = Math.ceil(length / BLOCK);
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** What a selector says of each block that a query block sees. */
export function blockScores(selector: PrefillSelectorId, input: SparseInput): BlockScores {
  return Array.from({ length: input.numKvHeads }, (_, kvHead) =>
    queryBlocks(input).map((own) => {
      switch (selector) {
        case "lambda":
          return range(own + 1);
        case "block-sparse":
          return meanScores(input, kvHead, own);
        default:
          return selector satisfies never;
      }
    }),
  );
}

/** Softmax of the mean query over the mean keys of the blocks up to `own`, averaged over the group. */
function meanScores(input: SparseInput, kvHead: number, own: number): number[] {
  const keyMeans = range(own + 1).map((block) =>
    meanOf(slotsOf(block, input).map((slot) => key(input, kvHead, slot))),
  );
  const members = heads(input, kvHead).map((head) => {
    const query = meanOf(tokensOf(own, input).map((token) => queryOf(input, token, head)));
    return softmax(keyMeans.map((mean) => dot(query, mean) * input.scale));
  });
  return meanOf(members);
}

/** Blocks that are attended: the first, the own one, and the best of the rest until the threshold is reached. */
export function chooseBlocks(
  scores: readonly number[],
  { of, threshold }: { readonly of: "blocks" | "mass"; readonly threshold: number },
): number[] {
  const own = scores.length - 1;
  if (threshold === 1) return range(scores.length);
  const share = Math.round(threshold * 65536);
  // As the kernel counts, in fixed point.
  const weight = (score: number): number => (of === "mass" ? Math.floor(score * 2 ** 30) : 1);
  let wanted = of === "mass" ? share * 2 ** 14 : Math.ceil((scores.length * share) / 65536);
  const chosen = new Set([0, own]);
  for (const block of chosen) wanted -= weight(at(scores, block));
  const ranked = range(scores.length)
    .filter((block) => !chosen.has(block))
    .sort((a, b) => at(scores, b) - at(scores, a));
  for (const block of ranked) {
    if (wanted <= 0) break;
    chosen.add(block);
    wanted -= weight(at(scores, block));
  }
  return range(scores.length).filter((block) => chosen.has(block));
}

/** Causal attention to the blocks of `lists` [KV heads][query blocks]: [tokens, numHeads, headDim]. */
export function sparseAttention(
  input: SparseInput,
  lists: readonly (readonly (readonly number[])[])[],
): Float32Array {
  const { queries, values, numHeads, numKvHeads, headDim, length, scale } = input;
  const output = new Float32Array(queries.length);
  const group = numHeads / numKvHeads;
  for (const [kvHead, ofHead] of lists.entries()) {
    for (const [i, own] of queryBlocks(input).entries()) {
      for (const token of tokensOf(own, input)) {
        const slot = length - queries.length / (numHeads * headDim) + token;
        const seen = (ofHead[i] ?? []).flatMap((block) => slotsOf(block, input));
        const slots = seen.filter((other) => other <= slot);
        const row = (token * numHeads + kvHead * group) * headDim;
        const take = (source: Float32Array): Float32Array =>
          Float32Array.from(
            slots.flatMap((s) => [...vector(source, kvHead * length + s, headDim)]),
          );
        const { output: result } = attention({
          numHeads: group,
          numKvHeads: 1,
          headDim,
          scale,
          window: 0,
          length: slots.length,
          queries: queries.subarray(row, row + group * headDim),
          keys: take(input.keys),
          values: take(values),
        });
        output.set(result, row);
      }
    }
  }
  return output;
}

/** Slots of a block that are filled. */
function slotsOf(block: number, { length }: SparseInput): number[] {
  return range(BLOCK)
    .map((i) => block * BLOCK + i)
    .filter((slot) => slot < length);
}

/** Tokens of the pass that lie in a block. */
function tokensOf(block: number, input: SparseInput): number[] {
  const first = input.length - input.queries.length / (input.numHeads * input.headDim);
  return slotsOf(block, input)
    .filter((slot) => slot >= first)
    .map((slot) => slot - first);
}

function heads({ numHeads, numKvHeads }: SparseInput, kvHead: number): number[] {
  const group = numHeads / numKvHeads;
  return range(group).map((member) => kvHead * group + member);
}

function key({ keys, length, headDim }: SparseInput, kvHead: number, slot: number): number[] {
  return [...vector(keys, kvHead * length + slot, headDim)];
}

function queryOf({ queries, numHeads, headDim }: SparseInput, token: number, head: number) {
  return [...vector(queries, token * numHeads + head, headDim)];
}

function vector(values: Float32Array, row: number, size: number): Float32Array {
  return values.subarray(row * size, (row + 1) * size);
}

function meanOf(rows: readonly (readonly number[])[]): number[] {
  const [first = []] = rows;
  return first.map((_, i) => rows.reduce((sum, row) => sum + at(row, i), 0) / rows.length);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * at(b, i), 0);
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
