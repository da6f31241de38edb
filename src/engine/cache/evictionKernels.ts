// The kernels behind evictions, with their parts and constants.

import type { Capabilities } from "../gpu/capabilities.ts";
import { float, type KernelSource } from "../gpu/linkKernel.ts";
import type { AttentionShape } from "../model/operations/attention.ts";
import { boundPart } from "../model/operations/parts.ts";
import { qkvSize } from "../model/operations/rope.ts";
import { cacheTypes, rowBytes } from "./types.ts";

/** Columns of a row that one workgroup gathers. */
export const GATHER_COLUMNS = 16;
export const RECORD_WORKGROUP = 64;
const SELECT_WORKGROUP = 256;
const GATHER_WORKGROUP = 64;

export interface EvictionSources {
  readonly lse: KernelSource;
  readonly sums: KernelSource;
  readonly select: KernelSource;
  readonly gatherPositions: KernelSource;
  readonly gatherKeys: KernelSource;
  readonly gatherValues: KernelSource;
  readonly gatherSums: KernelSource;
}

export function evictionSources(
  capabilities: Capabilities,
  shape: AttentionShape,
): EvictionSources {
  const { numHeads, numKvHeads, headDim, keyType, valueType } = shape;
  const record = {
    parts: { ...boundPart(capabilities), key_cache: cacheTypes[keyType].part },
    constants: {
      WORKGROUP_SIZE: RECORD_WORKGROUP,
      NUM_HEADS: numHeads,
      NUM_KV_HEADS: numKvHeads,
      HEAD_DIM: headDim,
      QKV_SIZE: qkvSize(shape),
      SCALE: float(shape.scale),
    },
  };
  const gather = (rowWords: number): KernelSource => ({
    file: "gather_rows.wgsl",
    constants: {
      WORKGROUP_SIZE: GATHER_WORKGROUP,
      COLUMNS: Math.min(GATHER_COLUMNS, rowWords),
      ROW_WORDS: rowWords,
    },
  });
  return {
    lse: { file: "attention_lse.wgsl", ...record },
    sums: { file: "attention_sums.wgsl", ...record },
    select: { file: "select_slots.wgsl", constants: { WORKGROUP_SIZE: SELECT_WORKGROUP } },
    gatherPositions: {
      file: "gather_positions.wgsl",
      constants: { WORKGROUP_SIZE: GATHER_WORKGROUP },
    },
    gatherKeys: gather(rowBytes(keyType, headDim) / 4),
    gatherValues: gather(rowBytes(valueType, headDim) / 4),
    gatherSums: gather(1),
  };
}
