// The kernels that record what attention slots get, for policies that look at it, chosen for an adapter and a shape.

import type { Capabilities } from "../gpu/capabilities.ts";
import { float, type KernelSource } from "../gpu/linkKernel.ts";
import type { AttentionShape } from "../model/operations/attentionKernels.ts";
import {
  type MatrixTile,
  matrixTile,
  tileOf,
  workgroupBytes,
} from "../model/operations/attentionTiles.ts";
import { keyBiasLink } from "../model/operations/keyBias.ts";
import { boundPart, matrixShapeOf, runsLanes } from "../model/operations/parts.ts";
import { qkvSize } from "../model/operations/rope.ts";
import { cacheTypes } from "./types.ts";

/** Slots of a workgroup. */
export const RECORDED_SLOTS = 64;

/** Slots whose column sums one workgroup adds up. */
export function recordedSlots(capabilities: Capabilities): number {
  // A lane of a CPU takes two, so that a query row loaded serves twice.
  return runsLanes(capabilities) ? 2 * RECORDED_SLOTS : RECORDED_SLOTS;
}

/** The kernel that records softmax weights: column sums, or maxima. */
export function sumsSource(
  capabilities: Capabilities,
  shape: AttentionShape,
  takesMaximum: boolean,
): KernelSource {
  const { headDim } = shape;
  const bias = keyBiasLink(shape.keyBias, 7);
  const parts = { key_cache: cacheTypes[shape.keyType].part, ...bias.parts };
  const constants = {
    NUM_HEADS: shape.numHeads,
    NUM_KV_HEADS: shape.numKvHeads,
    HEAD_DIM: headDim,
    QKV_SIZE: qkvSize(shape),
    SCALE: float(shape.scale),
    TAKES_MAXIMUM: takesMaximum,
    ...bias.constants,
  };
  const lanes = { ...constants, WORKGROUP_SIZE: RECORDED_SLOTS };
  if (runsLanes(capabilities))
    return { file: "attention_sums_lanes.wgsl", parts, constants: lanes };
  const matrix = sumsMatrixOf(capabilities, shape);
  if (matrix === undefined) {
    return {
      file: "attention_sums.wgsl",
      parts: { ...parts, ...boundPart(capabilities) },
      constants: { ...lanes, TILE: tileOf(headDim) },
    };
  }
  const { side, subgroup, tile, loads } = matrix;
  const tiles = {
    ...{ SLOTS: RECORDED_SLOTS, TILE: tile, LOADS: loads },
    ...{ SIDE: side, SUBGROUP: subgroup },
  };
  return { file: "attention_sums_matrix.wgsl", parts, constants: { ...constants, ...tiles } };
}

/** Matrices and query rows of a tile of attention_sums_matrix.wgsl, the most whose tiles fit; undefined where it does not serve. */
function sumsMatrixOf(
  capabilities: Capabilities,
  { headDim, keyType, valueType }: AttentionShape,
): MatrixTile | undefined {
  const matrices = matrixShapeOf(capabilities);
  // Where attention's kernel has f32 rows, its log-sum-exps are not those of rounded ones.
  if (headDim % 16 !== 0 || keyType === "f32" || valueType === "f32") return undefined;
  const tile = [64, 32, 16].find((tile) => {
    const halves = RECORDED_SLOTS * (headDim + 8);
    const bytes = 2 * halves + 4 * RECORDED_SLOTS * (tile + 8) + 8 * tile;
    return bytes <= workgroupBytes(capabilities);
  });
  return matrices && tile
    ? matrixTile(matrices, tile, { headDim, rows: RECORDED_SLOTS })
    : undefined;
}
