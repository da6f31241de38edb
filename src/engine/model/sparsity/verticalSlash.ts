// MInference's vertical-slash pattern (arXiv:2407.02490) by blocks: the attention of a pass's last queries, summed by column
// and by diagonal, says which columns and which diagonals all of its queries attend to.

import { cacheTypes } from "../../cache/types.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart, runsLanes } from "../operations/parts.ts";
import { BLOCK, type PrefillSelector, type SelectorShape } from "./selector.ts";
import {
  headConstants,
  keyBiasBuffers,
  type RowSets,
  rowLse,
  rowWords,
  shareOf,
  WORKGROUP_SIZE,
} from "./selectorKernels.ts";

/** Key blocks that a workgroup goes through. */
const BLOCKS = 4;
/** Keys of a tile in workgroup memory, which fit with heads of 256. */
const TILE = 8;

export const verticalSlash: PrefillSelector = {
  description: "columns and diagonals that the pass's last 64 queries attend to (MInference)",
  of: "blocks",
  threshold: 0.25,
  kernels(capabilities, shape) {
    const bias = keyBiasLink(shape.keyBias, 6);
    const sets = rowSets(shape);
    const constants = { ...headConstants(shape), ROWS: sets.rows, BLOCKS };
    const keyed = { ...constants, ...bias.constants };
    const parts = { key_cache: cacheTypes[shape.keyType].part, ...bias.parts };
    return [
      {
        source: runsLanes(capabilities)
          ? { file: "block_rows_queries_lanes.wgsl", parts, constants: keyed }
          : {
              file: "block_rows_queries.wgsl",
              parts: { ...parts, ...boundPart(capabilities) },
              constants: { ...keyed, TILE },
            },
        buffers: ["qkv", "keys", "rows", "shifts", "step", "heads", ...keyBiasBuffers(shape)],
        grid: ({ key }) => [Math.ceil(key / BLOCKS), sets.rows / BLOCK, shape.numKvHeads],
      },
      rowLse(sets),
      {
        source: { file: "score_vertical_slash.wgsl", constants },
        buffers: ["rows", "shifts", "lse", "scores", "step"],
        grid: ({ key }) => [Math.ceil(key / WORKGROUP_SIZE), shape.numKvHeads],
      },
    ];
  },
  selection: ({ numKvHeads }, threshold) => ({
    source: {
      file: "select_vertical_slash.wgsl",
      constants: { WORKGROUP_SIZE, BLOCK, SHARE: shareOf(threshold) },
    },
    buffers: ["scores", "lists", "attended", "step"],
    grid: ({ query }) => [query, numKvHeads],
  }),
  words(shape, blocks) {
    const words = rowWords(rowSets(shape), blocks);
    return { ...words, shifts: 2 * words.rows, scores: 2 * shape.numKvHeads * blocks.key };
  },
};

/** A row for each of the last queries, of each head of a group. */
function rowSets({ numHeads, numKvHeads }: SelectorShape): RowSets {
  return { rows: (numHeads / numKvHeads) * BLOCK, sets: () => numKvHeads };
}
