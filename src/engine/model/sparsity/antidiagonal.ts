// XAttention (arXiv:2503.16428): the sums along the antidiagonals of a block foretell the attention it draws.

import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import { workgroupBytes } from "../operations/attentionTiles.ts";
import { keyBiasLink } from "../operations/keyBias.ts";
import { boundPart, matrixShapeOf, runsLanes } from "../operations/parts.ts";
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
/** Rows that a workgroup has on matrix units where one query block has fewer: the keys are loaded once for all of them. */
const MATRIX_ROWS = 32;
/** Subgroups of such a workgroup. */
const SUBGROUPS = 4;

export const antidiagonal: PrefillSelector = {
  description: "blocks whose antidiagonals draw attention, up to the threshold's mass (XAttention)",
  of: "mass",
  threshold: 0.8,
  kernels(capabilities, shape) {
    const sets = rowSets(shape);
    const { source, queryBlocks } = rowKernel(capabilities, shape);
    return [
      {
        source,
        buffers: ["qkv", "keys", "rows", "step", "heads", ...keyBiasBuffers(shape)],
        grid: ({ query, key }) => [
          Math.ceil(key / BLOCKS),
          Math.ceil(query / queryBlocks),
          shape.numKvHeads,
        ],
      },
      rowLse(sets),
      rowScores(sets),
    ];
  },
  words: (shape, blocks) => rowWords(rowSets(shape), blocks),
};

/** The kernel for an adapter, and the query blocks that a workgroup of it has. */
function rowKernel(
  capabilities: Capabilities,
  shape: SelectorShape,
): { readonly source: KernelSource; readonly queryBlocks: number } {
  const bias = keyBiasLink(shape.keyBias, 5);
  const { rows } = rowSets(shape);
  const constants = {
    ...headConstants(shape),
    ROWS: rows,
    STRIDE,
    BLOCKS,
    ...bias.constants,
  };
  const parts = { key_cache: cacheTypes[shape.keyType].part, ...bias.parts };
  if (runsLanes(capabilities)) {
    const pair = (shape.numHeads / shape.numKvHeads) % 2 === 0 ? 2 : 1;
    const file = "block_rows_antidiagonal_lanes.wgsl";
    return { source: { file, parts, constants: { ...constants, PAIR: pair } }, queryBlocks: 1 };
  }
  const matrix = matrixConstants(capabilities, shape);
  if (matrix) {
    const file = "block_rows_antidiagonal_matrix.wgsl";
    const source = { file, parts, constants: { ...constants, ...matrix } };
    return { source, queryBlocks: matrix.QUERY_BLOCKS };
  }
  const file = "block_rows_antidiagonal.wgsl";
  return {
    source: { file, parts: { ...parts, ...boundPart(capabilities) }, constants },
    queryBlocks: 1,
  };
}

/** What block_rows_antidiagonal_matrix.wgsl is sized by; undefined where it does not serve. */
function matrixConstants(capabilities: Capabilities, shape: SelectorShape) {
  const matrices = matrixShapeOf(capabilities);
  // F32 keys would lose too much in f16.
  if (!matrices || shape.headDim % 16 !== 0 || shape.keyType === "f32") return undefined;
  const { side, subgroup } = matrices;
  const { rows } = rowSets(shape);
  const queryBlocks = Math.max(1, Math.floor(MATRIX_ROWS / rows));
  const rowTiles = Math.ceil((queryBlocks * rows) / side);
  // Tokens of a stride that pass at once: as many as fit in workgroup memory.
  const places = [STRIDE, STRIDE / 2, STRIDE / 4].find((count) => {
    const tileBytes = 2 * side * (count * side + 8);
    const scoreBytes = 4 * side * (side + 8);
    const bytes = rowTiles * tileBytes + SUBGROUPS * (tileBytes + scoreBytes);
    return bytes <= workgroupBytes(capabilities);
  });
  if (places === undefined) return undefined;
  // Vectors of a matrix's rows, and how many of them an invocation loads.
  const fours = (side * places * side) / 4;
  const stepBlocks = (SUBGROUPS * side) / (BLOCK / STRIDE);
  return {
    ...{ QUERY_BLOCKS: queryBlocks, SUBGROUPS, PLACES: places },
    ...{ ROW_TILES: rowTiles, STEPS: BLOCKS / stepBlocks },
    ...{ KEY_LOADS: fours / subgroup, QUERY_LOADS: (rowTiles * fours) / (SUBGROUPS * subgroup) },
    ...{ SIDE: side, SUBGROUP: subgroup },
  };
}

/** A row for each stride of a query block, of each head of a group. */
function rowSets({ numHeads, numKvHeads }: SelectorShape): RowSets {
  const rows = (numHeads / numKvHeads) * (BLOCK / STRIDE);
  return { rows, sets: ({ query }) => query * numKvHeads };
}
