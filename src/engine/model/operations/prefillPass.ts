// A pass of prefill attention as commands: whole, or in parts of its slots that are joined by their log-sum-exps.

import type { CommandList } from "../../gpu/commandList.ts";
import type { Binding, Kernel } from "../../gpu/kernel.ts";
import type { PassBuffers } from "./attention.ts";
import { type AttentionShape, MERGE_WORKGROUP } from "./attentionKernels.ts";
import { keyBiasBindings } from "./keyBias.ts";

export interface PassKernels {
  readonly shape: AttentionShape;
  readonly prefill: Kernel;
  /** Where a pass may be split. */
  readonly merge: Kernel | undefined;
}

export interface PassExtent {
  readonly tokens: number;
  readonly grid: readonly [blocks: number, heads: number];
  /** Parts of its slots. */
  readonly parts: number;
  /** Blocks that each query block attends to; absent: all. */
  readonly lists?: Binding;
}

export function encodePass(
  commands: CommandList,
  { shape, prefill, merge }: PassKernels,
  buffers: PassBuffers,
  { tokens, grid, parts, lists }: PassExtent,
): void {
  const { qkv, cache, output, step, partial, statistics } = buffers;
  const cached = [qkv, cache.keys, cache.values];
  const behind = [step, cache.heads, ...(lists ? [lists] : [])];
  const bias = keyBiasBindings(shape.keyBias, cache);
  const wanted = lseBuffers(shape, buffers);
  if (parts === 1 || merge === undefined) {
    // A kernel for passes that may be split emits a log-sum-exp of all slots, wanted or not.
    const isWanted = merge === undefined || shape.lse === "all";
    const lse = [...(isWanted ? [] : [statistics]), ...wanted];
    commands.dispatch(prefill, [...cached, output, ...behind, ...lse, ...bias], grid);
    return;
  }
  const rows = tokens * shape.numHeads;
  const size = 4 * parts * rows;
  const lses = { buffer: statistics, offset: 0, size };
  // Of what counts in a repeat, beside those of all.
  const counted = { buffer: statistics, offset: aligned(size), size };
  const [lse, sample] = wanted;
  const repeat = sample ? [counted, sample] : [];
  commands.dispatch(
    prefill,
    [...cached, partial, ...behind, lses, ...repeat, ...bias],
    [...grid, parts],
  );
  commands.dispatch(
    merge,
    [partial, lses, output, step, ...(sample ? [counted] : []), ...(lse ? [lse] : [])],
    [Math.ceil((rows * shape.headDim) / 4 / MERGE_WORKGROUP)],
  );
}

/** Bytes of `statistics` for so many rows of a pass in all its parts. */
export function partStatisticsBytes(rows: number): number {
  return aligned(4 * rows) + 4 * rows;
}

/** What a pass's log-sum-exps are written to: where a repeat's are wanted, the sample behind. */
export function lseBuffers(shape: AttentionShape, { lse, sample }: PassBuffers): GPUBuffer[] {
  const kind = shape.lse ?? "none";
  const buffers = kind === "none" ? [] : kind === "all" ? [lse] : [lse, sample];
  return buffers.map((buffer) => {
    if (buffer === undefined) throw new Error(`attention lacks a buffer for its lse of ${kind}`);
    return buffer;
  });
}

/** Where a binding may begin: WebGPU's largest alignment. */
function aligned(bytes: number): number {
  return Math.ceil(bytes / 256) * 256;
}
