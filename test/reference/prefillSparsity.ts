// Sparse prefill on the CPU: scores of blocks by each selector, the choice among them, and attention to what was chosen.
// Written to be obviously right.

import type { PrefillSelectorId } from "../../src/engine/model/sparsity/index.ts";
import { HASH_BUCKETS, HASH_ROUNDS, randomRotations } from "../../src/engine/model/sparsity/lsh.ts";
import { type AttentionInput, at, attention } from "./operations.ts";

/** Blocks of so many slots. */
export const BLOCK = 64;
/** Tokens of an antidiagonal. */
const STRIDE = 8;

export type SparseInput = Omit<AttentionInput, "window">;

/** [KV heads][query blocks][key blocks]; of vertical-slash [KV heads][by block, by distance][key blocks] */
export type BlockScores = readonly (readonly (readonly number[])[])[];

/** Slots of the pass's first query block on: block numbers. */
export function queryBlocks(input: SparseInput): number[] {
  const first = Math.floor(firstSlot(input) / BLOCK);
  const end = Math.ceil(input.length / BLOCK);
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** What a selector says of each block that a query block sees. */
export function blockScores(selector: PrefillSelectorId, input: SparseInput): BlockScores {
  if (selector === "vertical-slash")
    return range(input.numKvHeads).map((kvHead) => verticalSlashScores(input, kvHead));
  return Array.from({ length: input.numKvHeads }, (_, kvHead) =>
    queryBlocks(input).map((own) => {
      switch (selector) {
        case "lambda":
          return range(own + 1);
        case "block-sparse":
          return meanScores(input, kvHead, own);
        case "antidiagonal":
          return antidiagonalScores(input, kvHead, own);
        case "lsh":
          return hashScores(input, kvHead, own);
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

/** Softmax of antidiagonal sums, summed by block, averaged over the group and the rows of strides that the pass touches. */
function antidiagonalScores(input: SparseInput, kvHead: number, own: number): number[] {
  const { scale, headDim } = input;
  const none = new Array<number>(headDim).fill(0);
  const first = firstSlot(input);
  const touched = tokensOf(own, input).map((token) => Math.floor((first + token) / STRIDE));
  const rows = [...new Set(touched)].flatMap((row) =>
    heads(input, kvHead).map((head) => {
      const query = (slot: number): number[] =>
        slot >= first && slot < input.length ? queryOf(input, slot - first, head) : none;
      const keyAt = (slot: number): number[] =>
        slot < input.length ? key(input, kvHead, slot) : none;
      const weights = softmax(
        range(row + 1).map((column) =>
          range(STRIDE).reduce((sum, s) => {
            const product = dot(query(row * STRIDE + STRIDE - 1 - s), keyAt(column * STRIDE + s));
            return sum + (product * scale) / STRIDE;
          }, 0),
        ),
      );
      return sumBy(weights, (column) => Math.floor((column * STRIDE) / BLOCK), own + 1);
    }),
  );
  return meanOf(rows);
}

/** Pairs of a query and a key in the same bucket, over all rounds. */
function hashScores(input: SparseInput, kvHead: number, own: number): number[] {
  const rotations = randomRotations(input.headDim);
  const buckets = (vectors: readonly (readonly number[])[]): string[] =>
    vectors.flatMap((x) =>
      range(HASH_ROUNDS).map((round) => {
        const columns = range(HASH_BUCKETS / 2).map((column) =>
          dot(x, [...vector(rotations, (round * HASH_BUCKETS) / 2 + column, input.headDim)]),
        );
        const all = [...columns, ...columns.map((product) => -product)];
        return `${round}:${all.indexOf(Math.max(...all))}`;
      }),
    );
  const queries = buckets(
    tokensOf(own, input).flatMap((token) =>
      heads(input, kvHead).map((head) => queryOf(input, token, head)),
    ),
  );
  return range(own + 1).map((block) => {
    const keys = buckets(slotsOf(block, input).map((slot) => key(input, kvHead, slot)));
    return queries.reduce((sum, bucket) => sum + keys.filter((b) => b === bucket).length, 0);
  });
}

/**
 * What the last queries attend to: by block, and by distance in blocks if every query of a block attended along the same
 * diagonals. Both are means over queries and heads.
 */
function verticalSlashScores(input: SparseInput, kvHead: number): number[][] {
  const blocks = Math.ceil(input.length / BLOCK);
  const first = firstSlot(input);
  const vertical = new Array<number>(blocks).fill(0);
  const slash = new Array<number>(blocks).fill(0);
  const slots = range(BLOCK)
    .map((i) => input.length - BLOCK + i)
    .filter((slot) => slot >= first);
  const members = heads(input, kvHead);
  for (const slot of slots) {
    for (const head of members) {
      const query = queryOf(input, slot - first, head);
      const weights = softmax(
        range(slot + 1).map((other) => dot(query, key(input, kvHead, other)) * input.scale),
      );
      for (const [other, weight] of weights.entries()) {
        const part = weight / slots.length / members.length;
        const block = Math.floor(other / BLOCK);
        vertical[block] = at(vertical, block) + part;
        // The diagonal meets a query block in two key blocks, by so much of each.
        const offset = slot - other;
        const near = Math.floor(offset / BLOCK);
        const farther = (offset % BLOCK) / BLOCK;
        slash[near] = at(slash, near) + part * (1 - farther);
        if (near + 1 < blocks) slash[near + 1] = at(slash, near + 1) + part * farther;
      }
    }
  }
  return [vertical, slash];
}

/** Half of a share by column, the other half by diagonal among the rest, the first block and the own one always. */
export function chooseVerticalSlash(
  [vertical = [], slash = []]: readonly (readonly number[])[],
  own: number,
  threshold: number,
): number[] {
  const share = Math.round(threshold * 65536);
  const wanted = Math.max(0, Math.ceil(((own + 1) * share) / 65536) - 2);
  const chosen = new Set([0, own]);
  const choose = (count: number, score: (block: number) => number): void => {
    const rest = range(own + 1).filter((block) => !chosen.has(block));
    rest.sort((a, b) => score(b) - score(a));
    for (const block of rest.slice(0, count)) chosen.add(block);
  };
  choose(Math.ceil(wanted / 2), (block) => at(vertical, block));
  choose(Math.floor(wanted / 2), (block) => at(slash, own - block));
  return range(own + 1).filter((block) => chosen.has(block));
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
        const slot = firstSlot(input) + token;
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

/** Slot of the pass's first query. */
function firstSlot({ queries, numHeads, headDim, length }: SparseInput): number {
  return length - queries.length / (numHeads * headDim);
}

/** Tokens of the pass that lie in a block. */
function tokensOf(block: number, input: SparseInput): number[] {
  const first = firstSlot(input);
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

/** Sums of values by what `place` says of their index. */
function sumBy(
  values: readonly number[],
  place: (index: number) => number,
  count: number,
): number[] {
  const sums = new Array<number>(count).fill(0);
  for (const [i, value] of values.entries()) sums[place(i)] = at(sums, place(i)) + value;
  return sums;
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
