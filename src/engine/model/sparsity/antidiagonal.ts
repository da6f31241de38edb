// XAttention (arXiv:2503.16428): the sums along the antidiagonals of a block foretell the attention it draws.

import { cacheTypes } from "../../cache/types.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart, runsLanes } from "../operations/parts.ts";
import { BLOCK, type PrefillSelector, type SelectorShape } from "./selector.ts";
import {
  headConstants,
  keyBiasBuffers,
  type RowSets,
  rowLse,
  rowScores,
  rowWords,
} from "./selectorKernels.ts";

/** Tokens of an antidiagonal. The kernel for CPUs takes as many as there are lanes. */
const STRIDE = 8;
/** Key blocks that a workgroup goes through. */
const BLOCKS = 16;

export const antidiagonal: PrefillSelector = {
  description: "blocks whose antidiagonals draw attention, up to the threshold's mass (XAttention)",
  of: "mass",
  threshold: 0.8,
  kernels(capabilities, shape) {
    const bias = keyBiasLink(shape.keyBias, 5);
    const sets = rowSets(shape);
    const constants = {
      ...headConstants(shape),
      ROWS: sets.rows,
      STRIDE,
      BLOCKS,
      ...bias.constants,
    };
    const parts = { key_cache: cacheTypes[shape.keyType].part, ...bias.parts };
    const groupSize = shape.numHeads / shape.numKvHeads;
    return [
      {
        source: runsLanes(capabilities)
          ? {
              file: "block_rows_antidiagonal_lanes.wgsl",
              parts,
              constants: { ...constants, PAIR: groupSize % 2 === 0 ? 2 : 1 },
            }
          : {
              file: "block_rows_antidiagonal.wgsl",
              parts: { ...parts, ...boundPart(capabilities) },
              constants,
            },
        buffers: ["qkv", "keys", "rows", "step", "heads", ...keyBiasBuffers(shape)],
        grid: ({ query, key }) => [Math.ceil(key / BLOCKS), query, shape.numKvHeads],
      },
      rowLse(sets),
      rowScores(sets),
    ];
  },
  words: (shape, blocks) => rowWords(rowSets(shape), blocks),
};

/** A row for each stride of a query block, of each head of a group. */
function rowSets({ numHeads, numKvHeads }: SelectorShape): RowSets {
  const rows = (numHeads / numKvHeads) * (BLOCK / STRIDE);
  return { rows, sets: ({ query }) => query * numKvHeads };
}
