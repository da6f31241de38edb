// Attention of a pass whose rows are several continuations of what the cache holds. They take the same slots one after another:
// a branch's keys and values are there while it is attended with, and the next one's replace them.

import type { LayerCache } from "../cache/cacheShape.ts";
import type { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { Binding } from "../gpu/kernel.ts";
import type { LayerOperations } from "./decoderOperations.ts";
import { type HeadShape, qkvSize } from "./operations/rope.ts";
import { encodeStoredRows } from "./storeRows.ts";

/** The rows of a pass that are one branch. */
export interface BranchRows {
  readonly firstRow: number;
  readonly tokens: number;
  /** Its own: as many tokens, behind what the cache holds. */
  readonly step: GPUBuffer;
}

export interface BranchBuffers {
  /** [rows, qkvSize] */
  readonly qkv: GPUBuffer;
  /** [rows, numHeads * headDim] */
  readonly attended: GPUBuffer;
  readonly partial: GPUBuffer;
  readonly statistics: GPUBuffer;
  readonly norms: GPUBuffer;
  readonly cache: LayerCache;
  /** Of a branch's queries, where the model's attention emits them: a policy looks at those of other passes. */
  readonly lse?: GPUBuffer | undefined;
}

export interface BranchPass {
  readonly branches: readonly BranchRows[];
  /** Slots in front of each, of the layer's head that holds most. */
  readonly longest: number;
}

/** Turn, store and attend with each branch in turn, behind the product of all rows with the layer's q, k and v. */
export function encodeBranches(
  commands: CommandList,
  operations: LayerOperations,
  { branches, longest }: BranchPass,
  { qkv: allQkv, attended, norms, ...buffers }: BranchBuffers,
): void {
  const { rope, frequencies, attention, basis } = operations;
  const { cache } = buffers;
  const sizes = rowBytes(attention.shape);
  for (const { firstRow, tokens, step } of branches) {
    const rowsOf = (buffer: GPUBuffer, bytes: number): Binding => ({
      buffer,
      offset: firstRow * bytes,
      size: tokens * bytes,
    });
    const qkv = rowsOf(allQkv, sizes.qkv);
    const output = rowsOf(attended, sizes.attended);
    rope(commands, { frequencies, norms, qkv, step, heads: cache.heads }, tokens);
    basis?.enter(commands, { qkv, step }, tokens);
    encodeStoredRows(commands, operations, { qkv, cache, step }, tokens);
    const own = { ...buffers, qkv, output, step };
    attention.encodePrefill(commands, own, tokens, longest + tokens);
    basis?.leave(commands, { output, step }, tokens);
  }
}

/** First rows of branches of these lengths in a pass, where the adapter can bind them. */
export function placeBranches(gpu: Gpu, shape: HeadShape, lengths: readonly number[]): number[] {
  const step = rowsApart(gpu, Object.values(rowBytes(shape)));
  const firstRows: number[] = [];
  let next = 0;
  for (const length of lengths) {
    firstRows.push(next);
    next = Math.ceil((next + length) / step) * step;
  }
  return firstRows;
}

/** The fewest rows, of each of these numbers of bytes, that a binding may begin behind: a power of two. */
export function rowsApart(gpu: Gpu, rowBytes: readonly number[]): number {
  const alignment = gpu.device.limits.minStorageBufferOffsetAlignment;
  let rows = 1;
  while (rowBytes.some((bytes) => (rows * bytes) % alignment !== 0)) rows *= 2;
  return rows;
}

function rowBytes(shape: HeadShape): { qkv: number; attended: number } {
  return { qkv: 4 * qkvSize(shape), attended: 4 * shape.numHeads * shape.headDim };
}
