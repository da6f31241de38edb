// How large the pieces are that the attention kernels work on, by an adapter's workgroup memory and a shape.

import type { CacheTypeId } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { type MatrixShape, matrixShapeOf } from "./parts.ts";
import type { HeadShape } from "./rope.ts";

/** Query rows of a prefilling workgroup; `BLOCK` of sparse prefill is as long, so that none straddles two blocks. */
export const ROWS = 64;
// Invocations and slots of a decoding workgroup on a GPU.
const GPU_DECODE = 128;
const LEAST_SPLIT = 16;
// The smallest workgroup memory WebGPU promises, which leaves room for several workgroups on larger devices.
const WORKGROUP_BYTES = 16384;

/** Workgroup memory of an adapter. */
export function workgroupBytes({ limits }: Capabilities): number {
  return limits.maxComputeWorkgroupStorageSize ?? WORKGROUP_BYTES;
}

/** Keys whose tile and values' tile fit in workgroup memory, a multiple of 4. */
export function tileOf(headDim: number): number {
  return Math.max(4, Math.min(32, Math.floor(WORKGROUP_BYTES / (8 * headDim) / 4) * 4));
}

export interface CachedHeads extends HeadShape {
  readonly keyType: CacheTypeId;
  readonly valueType: CacheTypeId;
}

/** Matrices of a kernel on matrix units, and how many rows pass by its workgroup's own in a tile. */
export interface MatrixTile extends MatrixShape {
  readonly tile: number;
  /** Vectors of a tile's rows that each invocation loads. */
  readonly loads: number;
}

/** The matrices with a tile, for a workgroup of `rows` rows of its own; undefined where invocations would load unequal parts. */
export function matrixTile(
  matrices: MatrixShape,
  tile: number,
  { headDim, rows }: { readonly headDim: number; readonly rows: number },
): MatrixTile | undefined {
  const loads = (tile * headDim) / 4 / ((rows / matrices.side) * matrices.subgroup);
  return Number.isInteger(loads) ? { ...matrices, tile, loads } : undefined;
}

/** Matrices and keys of a tile of attention_prefill_matrix.wgsl, the most whose tiles fit; undefined where it does not serve. */
export function matrixTileOf(
  capabilities: Capabilities,
  { headDim, keyType, valueType }: CachedHeads,
): MatrixTile | undefined {
  const matrices = matrixShapeOf(capabilities);
  // F32 rows would lose too much in f16.
  if (headDim % 16 !== 0 || keyType === "f32" || valueType === "f32") return undefined;
  const available = workgroupBytes(capabilities);
  const tile = [64, 32, 16].find((tile) => {
    const stride = headDim + 8;
    const keysOrWeights = Math.max(tile * stride, ROWS * (tile + 8));
    const halves = Math.max(keysOrWeights + tile * stride, ROWS * stride);
    return 2 * halves + 4 * ROWS * (tile + 8) + 32 <= available;
  });
  return matrices && tile ? matrixTile(matrices, tile, { headDim, rows: ROWS }) : undefined;
}

/** Results across a row, in groups that fit beside one another where a tile's scores lie. */
export function matrixGroups(matrices: number, beside: number): Record<string, number> {
  const divides = (count: number): boolean => matrices % count === 0;
  let group = Math.min(matrices, beside);
  while (!divides(group)) group--;
  return { GROUP_MATRICES: group, MATRIX_GROUPS: matrices / group };
}

/** Of a decoding workgroup. */
export interface DecodeTile {
  /** Invocations: a power of two, and one for each vec4 of a head. */
  readonly workgroup: number;
  /** Slots: as many as leave room for their weights beside queries and sums. */
  readonly split: number;
}

export function decodeTileOf(
  capabilities: Capabilities,
  { numHeads, numKvHeads, headDim }: HeadShape,
): DecodeTile {
  const groupSize = numHeads / numKvHeads;
  const least = 2 ** Math.ceil(Math.log2(headDim / 4));
  const room = (workgroup: number): number =>
    (workgroupBytes(capabilities) - groupSize * 16 * workgroup - 512) / (4 * groupSize);
  const tile = (workgroup: number, most: number): DecodeTile => {
    const split = 2 ** Math.floor(Math.log2(Math.max(LEAST_SPLIT, room(workgroup))));
    return { workgroup, split: Math.min(most, split) };
  };
  // A GPU waits for a workgroup's slots one after another, and has room for more workgroups.
  const hasRoom = !capabilities.isSoftware && room(GPU_DECODE) >= GPU_DECODE;
  return hasRoom ? tile(Math.max(GPU_DECODE, least), GPU_DECODE) : tile(Math.max(64, least), 256);
}
