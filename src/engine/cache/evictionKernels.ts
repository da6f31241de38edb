// The kernels behind evictions, with their parts and constants.

import type { Capabilities } from "../gpu/capabilities.ts";
import type { KernelSource } from "../gpu/linkKernel.ts";
import type { AttentionShape } from "../model/operations/attentionKernels.ts";
import { sumsSource } from "./recordKernels.ts";
import { rowBytes } from "./types.ts";

/** Columns of a row that one workgroup gathers. */
export const GATHER_COLUMNS = 8;
const SELECT_WORKGROUP = 256;
const GATHER_WORKGROUP = 256;

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
  const { numKvHeads, headDim, keyType, valueType } = shape;
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
    sums: sumsSource(capabilities, shape, takesMaximum),
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
