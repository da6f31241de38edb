// Kernels that several selectors share, and the one that chooses.

import type { Capabilities } from "../../gpu/capabilities.ts";
import { float } from "../../gpu/linkKernel.ts";
import { qkvSize } from "../operations/rope.ts";
import {
  BLOCK,
  type PassBlocks,
  type PrefillSelector,
  type SelectorBuffer,
  type SelectorKernel,
  type SelectorShape,
} from "./selector.ts";

export const WORKGROUP_SIZE = 64;
/** Rows of a workgroup that adds up log-sum-exps: as many as a GPU reads at once. */
const OWN_ROWS = 8;

/** Constants of kernels that read queries or keys. */
export function headConstants(shape: SelectorShape): Readonly<Record<string, number | string>> {
  return {
    WORKGROUP_SIZE,
    BLOCK,
    NUM_HEADS: shape.numHeads,
    NUM_KV_HEADS: shape.numKvHeads,
    HEAD_DIM: shape.headDim,
    QKV_SIZE: qkvSize(shape),
    SCALE: float(shape.scale),
  };
}

/** What kernels that read keys are bound to behind their own buffers, see `keyBiasLink`. */
export function keyBiasBuffers({ keyBias }: SelectorShape): SelectorBuffer[] {
  if (keyBias === undefined) return [];
  return ["keyBias", "keyFrequencies", ...(keyBias.isListed ? (["places"] as const) : [])];
}

/** A pass's query blocks times the KV heads, each with a set of rows. */
export interface RowSets {
  /** Rows of a set. */
  readonly rows: number;
  readonly sets: (blocks: PassBlocks) => number;
}

/** The log-sum-exp of each row over all blocks, from `rows` into `lse`. */
export function rowLse({ rows, sets }: RowSets): SelectorKernel {
  return {
    source: {
      file: "block_rows_lse.wgsl",
      constants: { WORKGROUP_SIZE, BLOCK, ROWS: rows, OWN_ROWS },
    },
    buffers: ["rows", "lse", "step"],
    grid: (blocks) => [Math.ceil(rows / OWN_ROWS), sets(blocks)],
  };
}

/** Scores from the softmax of rows over blocks. */
export function rowScores({ rows, sets }: RowSets): SelectorKernel {
  return {
    source: { file: "score_block_rows.wgsl", constants: { WORKGROUP_SIZE, BLOCK, ROWS: rows } },
    buffers: ["rows", "lse", "scores", "step"],
    grid: (blocks) => [Math.ceil(blocks.key / WORKGROUP_SIZE), sets(blocks)],
  };
}

/** Words of `rows` and `lse`. */
export function rowWords({ rows, sets }: RowSets, blocks: PassBlocks) {
  return { rows: rows * sets(blocks) * blocks.key, lse: rows * sets(blocks) };
}

/** Scores from the place of a block, the latest highest. */
export function recencyScores({ numKvHeads }: SelectorShape): SelectorKernel {
  return {
    source: { file: "score_block_recency.wgsl", constants: { WORKGROUP_SIZE, BLOCK } },
    buffers: ["scores", "step"],
    grid: ({ query, key }) => [Math.ceil(key / WORKGROUP_SIZE), query, numKvHeads],
  };
}

/** Invocations that choose: a GPU waits for each turn that they take through the blocks, a CPU for each of them. */
export function selectWorkgroup({ isSoftware }: Capabilities): number {
  return isSoftware ? WORKGROUP_SIZE : 256;
}

/** The choice of the blocks with the highest scores. */
export function selectHighest(
  capabilities: Capabilities,
  { of }: PrefillSelector,
  { numKvHeads }: SelectorShape,
  threshold: number,
): SelectorKernel {
  return {
    source: {
      file: "select_blocks.wgsl",
      parts: { quota: of === "mass" ? "common/quota_mass.wgsl" : "common/quota_share.wgsl" },
      constants: {
        WORKGROUP_SIZE: selectWorkgroup(capabilities),
        BLOCK,
        SHARE: shareOf(threshold),
      },
    },
    buffers: ["scores", "lists", "attended", "step"],
    grid: ({ query }) => [query, numKvHeads],
  };
}

/** A threshold in parts of 65,536, so that kernels count exactly. */
export function shareOf(threshold: number): number {
  return Math.round(threshold * 65536);
}
