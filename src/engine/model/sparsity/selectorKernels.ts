// Kernels that several selectors share, and the one that chooses.

import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { float } from "../../gpu/linkKernel.ts";
import { boundPart, reducePart } from "../operations/parts.ts";
import { qkvSize } from "../operations/rope.ts";
import {
  BLOCK,
  type PrefillSelector,
  type SelectorKernel,
  type SelectorShape,
} from "./selector.ts";

export const WORKGROUP_SIZE = 64;

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

/** The mean of each block's keys [numKvHeads, key blocks, headDim]. */
export function keyMeans({ numKvHeads, headDim, keyType }: SelectorShape): SelectorKernel {
  return {
    source: {
      file: "block_key_means.wgsl",
      parts: { key_cache: cacheTypes[keyType].part },
      constants: { WORKGROUP_SIZE, BLOCK, NUM_KV_HEADS: numKvHeads, HEAD_DIM: headDim },
    },
    buffers: ["keys", "means", "step", "heads"],
    grid: ({ key }) => [Math.ceil((key * headDim) / 4 / WORKGROUP_SIZE), numKvHeads],
  };
}

/** Scores from the softmax of mean queries over mean keys. */
export function meanScores(capabilities: Capabilities, shape: SelectorShape): SelectorKernel {
  return {
    source: {
      file: "score_block_means.wgsl",
      parts: { ...reducePart(capabilities), ...boundPart(capabilities) },
      constants: headConstants(shape),
    },
    buffers: ["qkv", "means", "scores", "step"],
    grid: ({ query }) => [query, shape.numKvHeads],
  };
}

/** Scores from the place of a block, the latest highest. */
export function recencyScores({ numKvHeads }: SelectorShape): SelectorKernel {
  return {
    source: { file: "score_block_recency.wgsl", constants: { WORKGROUP_SIZE, BLOCK } },
    buffers: ["scores", "step"],
    grid: ({ query, key }) => [Math.ceil(key / WORKGROUP_SIZE), query, numKvHeads],
  };
}

/** The choice of blocks by their scores. */
export function selection(
  { of }: PrefillSelector,
  threshold: number,
  { numKvHeads }: SelectorShape,
): SelectorKernel {
  return {
    source: {
      file: "select_blocks.wgsl",
      parts: { quota: of === "mass" ? "common/quota_mass.wgsl" : "common/quota_share.wgsl" },
      constants: { WORKGROUP_SIZE, BLOCK, SHARE: shareOf(threshold) },
    },
    buffers: ["scores", "lists", "attended", "step"],
    grid: ({ query }) => [query, numKvHeads],
  };
}

/** A threshold in parts of 65,536, so that kernels count exactly. */
export function shareOf(threshold: number): number {
  return Math.round(threshold * 65536);
}
