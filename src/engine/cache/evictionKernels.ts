// The kernels behind evictions, with their parts and constants.

import type { Capabilities } from "../gpu/capabilities.ts";
import { float, type KernelSource } from "../gpu/linkKernel.ts";
import { type AttentionShape, tileOf } from "../model/operations/attentionKernels.ts";
import { keyBiasLink } from "../model/operations/keyBias.ts";
import { boundPart, runsLanes } from "../model/operations/parts.ts";
import { qkvSize } from "../model/operations/rope.ts";
import { cacheTypes, rowBytes } from "./types.ts";

/** Columns of a row that one workgroup gathers. */
export const GATHER_COLUMNS = 16;
const RECORD_WORKGROUP = 64;
const SELECT_WORKGROUP = 256;
const GATHER_WORKGROUP = 64;

/** Slots whose column sums one workgroup adds up. */
export function recordedSlots(capabilities: Capabilities): number {
  // A lane of a CPU takes two, so that a query row loaded serves twice.
  return runsLanes(capabilities) ? 2 * RECORD_WORKGROUP : RECORD_WORKGROUP;
}

export interface EvictionSources {
  readonly sums: KernelSource;
  readonly select: KernelSource;
  readonly gatherPositions: KernelSource;
  readonly gatherKeys: KernelSource;
  readonly gatherValues: KernelSource;
  readonly gatherSums: KernelSource;
}

/** The kernels of a policy that joins the weights of queries by their sum or their maximum. */
export function evictionSources(
  capabilities: Capabilities,
  shape: AttentionShape,
  takesMaximum = false,
): EvictionSources {
  const { numHeads, numKvHeads, headDim, keyType, valueType } = shape;
  const bias = keyBiasLink(shape.keyBias, 7);
  const keyCache = { key_cache: cacheTypes[keyType].part, ...bias.parts };
  const record = {
    WORKGROUP_SIZE: RECORD_WORKGROUP,
    NUM_HEADS: numHeads,
    NUM_KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    QKV_SIZE: qkvSize(shape),
    SCALE: float(shape.scale),
    TAKES_MAXIMUM: takesMaximum,
    ...bias.constants,
  };
  const gather = (rowWords: number): KernelSource => ({
    file: "gather_rows.wgsl",
    constants: {
      WORKGROUP_SIZE: GATHER_WORKGROUP,
      NUM_KV_HEADS: numKvHeads,
      COLUMNS: Math.min(GATHER_COLUMNS, rowWords),
      ROW_WORDS: rowWords,
    },
  });
  return {
    sums: runsLanes(capabilities)
      ? { file: "attention_sums_lanes.wgsl", parts: keyCache, constants: record }
      : {
          file: "attention_sums.wgsl",
          parts: { ...keyCache, ...boundPart(capabilities) },
          constants: { ...record, TILE: tileOf(headDim) },
        },
    select: {
      file: "select_slots.wgsl",
      constants: { WORKGROUP_SIZE: SELECT_WORKGROUP, NUM_KV_HEADS: numKvHeads },
    },
    gatherPositions: {
      file: "gather_positions.wgsl",
      constants: { WORKGROUP_SIZE: GATHER_WORKGROUP, NUM_KV_HEADS: numKvHeads },
    },
    gatherKeys: gather(rowBytes(keyType, headDim) / 4),
    gatherValues: gather(rowBytes(valueType, headDim) / 4),
    gatherSums: gather(1),
  };
}

/** The kernels behind evictions in which heads compete for slots. */
export interface SharedSources {
  readonly candidates: KernelSource;
  readonly threshold: KernelSource;
  readonly above: KernelSource;
  readonly gatherPositions: KernelSource;
  readonly gatherKeys: KernelSource;
  readonly gatherValues: KernelSource;
  readonly gatherSums: KernelSource;
}

export function sharedSources(shape: AttentionShape): SharedSources {
  const { numKvHeads, headDim, keyType, valueType } = shape;
  const select = (file: string): KernelSource => ({
    file,
    constants: { WORKGROUP_SIZE: SELECT_WORKGROUP, NUM_KV_HEADS: numKvHeads },
  });
  const heads = { WORKGROUP_SIZE: GATHER_WORKGROUP, NUM_KV_HEADS: numKvHeads };
  const gather = (rowWords: number): KernelSource => ({
    file: "gather_rows_apart.wgsl",
    constants: { ...heads, ROW_WORDS: rowWords },
  });
  return {
    candidates: select("select_candidates.wgsl"),
    threshold: select("select_threshold.wgsl"),
    above: select("select_above.wgsl"),
    gatherPositions: { file: "gather_positions_apart.wgsl", constants: heads },
    gatherKeys: gather(rowBytes(keyType, headDim) / 4),
    gatherValues: gather(rowBytes(valueType, headDim) / 4),
    gatherSums: gather(1),
  };
}
