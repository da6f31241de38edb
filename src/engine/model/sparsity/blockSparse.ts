// A list of blocks for each head by pooled queries and keys: the block-sparse form of FlashAttention (arXiv:2205.14135) with
// the estimate of FlexPrefill's query-aware heads (arXiv:2502.20766).

import { cacheTypes } from "../../cache/types.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart } from "../operations/parts.ts";
import type { PrefillSelector, SelectorShape } from "./selector.ts";
import {
  headConstants,
  keyBiasBuffers,
  type RowSets,
  rowLse,
  rowScores,
  rowWords,
  WORKGROUP_SIZE,
} from "./selectorKernels.ts";

export const blockSparse: PrefillSelector = {
  description: "blocks whose mean keys draw the mean query's attention, up to the threshold's mass",
  of: "mass",
  threshold: 0.9,
  kernels(capabilities, shape) {
    const { numHeads, numKvHeads, headDim } = shape;
    const constants = headConstants(shape);
    const bias = keyBiasLink(shape.keyBias, 4);
    const vectors = (blocks: number): number => Math.ceil((blocks * headDim) / 4 / WORKGROUP_SIZE);
    const sets = rowSets(shape);
    return [
      {
        source: { file: "block_query_means.wgsl", constants },
        buffers: ["qkv", "queryMeans", "step"],
        grid: ({ query }) => [vectors(query), numHeads],
      },
      {
        source: {
          file: "block_key_means.wgsl",
          parts: { key_cache: cacheTypes[shape.keyType].part, ...bias.parts },
          constants: { ...constants, ...bias.constants },
        },
        buffers: ["keys", "keyMeans", "step", "heads", ...keyBiasBuffers(shape)],
        grid: ({ key }) => [vectors(key), numKvHeads],
      },
      {
        source: {
          file: "block_rows_means.wgsl",
          parts: boundPart(capabilities),
          constants: { ...constants, ROWS: sets.rows },
        },
        buffers: ["queryMeans", "keyMeans", "rows", "step"],
        grid: ({ query, key }) => [Math.ceil(key / WORKGROUP_SIZE), query, numHeads],
      },
      rowLse(sets),
      rowScores(sets),
    ];
  },
  words: (shape, blocks) => ({
    queryMeans: shape.numHeads * blocks.query * shape.headDim,
    keyMeans: shape.numKvHeads * blocks.key * shape.headDim,
    ...rowWords(rowSets(shape), blocks),
  }),
};

/** A row for each head of a group. */
function rowSets({ numHeads, numKvHeads }: SelectorShape): RowSets {
  return { rows: numHeads / numKvHeads, sets: ({ query }) => query * numKvHeads };
}
