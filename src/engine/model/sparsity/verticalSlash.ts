// MInference's vertical-slash pattern (arXiv:2407.02490) by blocks: the attention of a pass's last queries, summed by column
// and by diagonal, says which columns and which diagonals all of its queries attend to.

import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import { type MatrixTile, matrixTile, workgroupBytes } from "../operations/attentionTiles.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart, matrixShapeOf, runsLanes } from "../operations/parts.ts";
import { BLOCK, type PrefillSelector, type SelectorShape } from "./selector.ts";
import {
  headConstants,
  keyBiasBuffers,
  type RowSets,
  rowLse,
  rowWords,
  selectWorkgroup,
  shareOf,
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
    const sets = rowSets(shape);
    return [
      {
        source: rowKernel(capabilities, shape),
        buffers: ["qkv", "keys", "rows", "shifts", "step", "heads", ...keyBiasBuffers(shape)],
        grid: ({ key }) => [Math.ceil(key / BLOCKS), sets.rows / BLOCK, shape.numKvHeads],
      },
      rowLse(sets),
      {
        source: {
          file: "score_vertical_slash.wgsl",
          parts: {
            sum4: `common/sum4_${capabilities.hasSubgroups ? "subgroup" : "workgroup"}.wgsl`,
          },
          constants: { ...headConstants(shape), ROWS: sets.rows },
        },
        buffers: ["rows", "shifts", "lse", "scores", "step"],
        grid: ({ key }) => [key, shape.numKvHeads],
      },
    ];
  },
  selection: (capabilities, { numKvHeads }, threshold) => ({
    source: {
      file: "select_vertical_slash.wgsl",
      constants: {
        WORKGROUP_SIZE: selectWorkgroup(capabilities),
        BLOCK,
        SHARE: shareOf(threshold),
      },
    },
    buffers: ["scores", "lists", "attended", "step"],
    grid: ({ query }) => [query, numKvHeads],
  }),
  words(shape, blocks) {
    const words = rowWords(rowSets(shape), blocks);
    return { ...words, shifts: 2 * words.rows, scores: 2 * shape.numKvHeads * blocks.key };
  },
};

/** The log-sum-exps of rows by block, for an adapter. */
function rowKernel(capabilities: Capabilities, shape: SelectorShape): KernelSource {
  const bias = keyBiasLink(shape.keyBias, 6);
  const { rows } = rowSets(shape);
  const constants = { ...headConstants(shape), ROWS: rows, BLOCKS, ...bias.constants };
  const parts = { key_cache: cacheTypes[shape.keyType].part, ...bias.parts };
  if (runsLanes(capabilities)) return { file: "block_rows_queries_lanes.wgsl", parts, constants };
  const matrix = matrixTileOf(capabilities, shape);
  if (matrix) {
    const { side, subgroup, tile, loads } = matrix;
    const tiles = { SIDE: side, SUBGROUP: subgroup, TILE: tile, LOADS: loads };
    const fit = { KEYS_FIT: shape.keyType === "f16" && shape.keyBias === undefined };
    return {
      file: "block_rows_queries_matrix.wgsl",
      parts,
      constants: { ...constants, ...tiles, ...fit },
    };
  }
  return {
    file: "block_rows_queries.wgsl",
    parts: { ...parts, ...boundPart(capabilities) },
    constants: { ...constants, TILE },
  };
}

/** Matrices and keys of a tile of block_rows_queries_matrix.wgsl, the most that fit; undefined where it does not serve. */
function matrixTileOf(
  capabilities: Capabilities,
  { headDim, keyType }: SelectorShape,
): MatrixTile | undefined {
  const matrices = matrixShapeOf(capabilities);
  // F32 keys would lose too much in f16.
  if (headDim % 16 !== 0 || keyType === "f32") return undefined;
  const tile = [BLOCK, BLOCK / 2, BLOCK / 4].find(
    (tile) => 2 * BLOCK * (headDim + 8) + 4 * BLOCK * (tile + 8) <= workgroupBytes(capabilities),
  );
  return matrices && tile ? matrixTile(matrices, tile, { headDim, rows: BLOCK }) : undefined;
}

/** A row for each of the last queries, of each head of a group. */
function rowSets({ numHeads, numKvHeads }: SelectorShape): RowSets {
  return { rows: (numHeads / numKvHeads) * BLOCK, sets: () => numKvHeads };
}
