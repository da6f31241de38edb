// Host side of the attention kernels: storing keys and values, many queries at once, one query split over the cache.

import type { TailBuffers } from "../../cache/cacheTail.ts";
import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding, Kernel } from "../../gpu/kernel.ts";
import {
  type AttentionShape,
  attentionSources,
  LEAST_PART,
  MERGE_WORKGROUP,
  prefillGrid,
  prefillParts,
  STORE_WORKGROUP,
  tailPartsOf,
} from "./attentionKernels.ts";
import { decodeTileOf, ROWS } from "./attentionTiles.ts";
import type { KeptQueries } from "./keptQueries.ts";
import { type KeyBiasBuffers, keyBiasBindings } from "./keyBias.ts";
import { encodePass, lseBuffers, partStatisticsBytes } from "./prefillPass.ts";

export type { AttentionShape } from "./attentionKernels.ts";

/** One layer's cache: [rows, headDim] each. */
export interface CacheBuffers {
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
  /** Uniform that says where the rows of each KV head lie, see kernels/common/heads.wgsl. */
  readonly heads: GPUBuffer;
  /** What keys are held without. */
  readonly keyBias?: KeyBiasBuffers | undefined;
  /** Positions that keys were turned by [rows], where they are held so and slots are none. */
  readonly places?: GPUBuffer;
}

/** What attention of many queries works on. */
export interface PassBuffers {
  /** [tokens, qkvSize] */
  readonly qkv: Binding;
  readonly cache: CacheBuffers;
  /** [tokens, numHeads * headDim] */
  readonly output: Binding;
  readonly step: GPUBuffer;
  /** Room for the parts of a split, see `partialBytes`. */
  readonly partial: GPUBuffer;
  readonly statistics: GPUBuffer;
  /** [tokens, numHeads], base 2; where the shape emits it. */
  readonly lse?: GPUBuffer | undefined;
  /** Which slots count in `lse`, see kernels/common/sample.wgsl; where the shape asks for those of a repeat. */
  readonly sample?: GPUBuffer | undefined;
}

export interface AttentionBuffers extends PassBuffers {
  readonly qkv: GPUBuffer;
  readonly output: GPUBuffer;
  /** Where decoding keeps its queries. */
  readonly kept?: KeptQueries | undefined;
  /** Read by decoding where it attends to the tail as well. */
  readonly tail?: TailBuffers | undefined;
}

export class Attention {
  readonly shape: AttentionShape;
  readonly split: number;
  /** Whether decoding attends to the tail as well. */
  readonly decodesTail: boolean;
  readonly #tailParts: number;
  readonly #store: Kernel;
  readonly #prefill: Kernel;
  readonly #decode: Kernel;
  readonly #merge: Kernel;
  /** Where a pass may be split. */
  readonly #prefillMerge: Kernel | undefined;
  readonly #capabilities: Capabilities;

  constructor(gpu: Gpu, shape: AttentionShape, kernels: readonly Kernel[]) {
    const [store, prefill, decode, merge, prefillMerge] = kernels;
    if (!store || !prefill || !decode || !merge) throw new Error("attention has four kernels");
    this.shape = shape;
    this.split = decodeTileOf(gpu.capabilities, shape).split;
    this.#tailParts = tailPartsOf(gpu.capabilities, shape);
    this.decodesTail = this.#tailParts > 0;
    this.#store = store;
    this.#prefill = prefill;
    this.#decode = decode;
    this.#merge = merge;
    this.#prefillMerge = prefillMerge;
    this.#capabilities = gpu.capabilities;
  }

  /** Put the pass's keys and values into the cache, from its step's first slot on. */
  encodeStore(
    commands: CommandList,
    { qkv, cache, step }: Pick<PassBuffers, "qkv" | "cache" | "step">,
    tokens: number,
  ): void {
    const { numKvHeads, headDim, keyType, valueType } = this.shape;
    const blocks =
      numKvHeads *
      (headDim / cacheTypes[keyType].blockSize + headDim / cacheTypes[valueType].blockSize);
    commands.dispatch(
      this.#store,
      [qkv, cache.keys, cache.values, step, cache.heads],
      [Math.ceil(blocks / STORE_WORKGROUP), tokens],
    );
  }

  /** Causal attention of a pass of `tokens` queries, when a head holds at most `length` slots. */
  encodePrefill(commands: CommandList, buffers: PassBuffers, tokens: number, length: number): void {
    const { shape } = this;
    const parts = prefillParts(this.#capabilities, shape, { tokens, length });
    const kernels = { shape, prefill: this.#prefill, merge: this.#prefillMerge };
    encodePass(commands, kernels, buffers, { tokens, grid: prefillGrid(shape, tokens), parts });
  }

  /** Attention of one query, when a head holds at most `length` slots. */
  encodeDecode(commands: CommandList, buffers: AttentionBuffers, length: number): void {
    const { qkv, cache, output, step, partial, statistics } = buffers;
    const { numHeads, numKvHeads, headDim } = this.shape;
    commands.dispatch(
      this.#decode,
      [
        ...[qkv, cache.keys, cache.values, partial, statistics, step, cache.heads],
        ...[...this.#tail(buffers), ...keyBiasBindings(this.shape.keyBias, cache)],
      ],
      [this.#tailParts + this.splits(length), numKvHeads],
    );
    commands.dispatch(
      this.#merge,
      [
        ...[partial, statistics, output, step, cache.heads],
        ...[...lseBuffers(this.shape, buffers), ...this.#kept(buffers)],
      ],
      [Math.ceil((numHeads * headDim) / 4 / MERGE_WORKGROUP)],
    );
  }

  /** Workgroups that share the slots of a cache of `length`. */
  splits(length: number): number {
    const { window } = this.shape;
    return Math.ceil((window > 0 ? Math.min(length, window) : length) / this.split);
  }

  /** Bytes of `partial` and `statistics` for caches of up to `length` slots, and passes of up to `tokens` queries. */
  partialBytes(length: number, tokens: number): { partial: number; statistics: number } {
    const { numHeads, headDim } = this.shape;
    const decoding = (this.#tailParts + this.splits(length)) * numHeads;
    const splitsPasses = this.#prefillMerge !== undefined;
    const passes = splitsPasses ? this.#partialRows(length, tokens) : 0;
    const whole = splitsPasses ? tokens * numHeads : 0;
    return {
      partial: 4 * Math.max(decoding, passes) * headDim,
      statistics: Math.max(8 * decoding, partStatisticsBytes(passes), 4 * whole),
    };
  }

  /** Rows of a pass in all its parts, for the pass of up to `tokens` queries that has most of them. */
  #partialRows(length: number, tokens: number): number {
    const { busyWorkgroups } = this.#capabilities;
    const all = tokens * this.shape.numHeads * Math.floor(length / LEAST_PART);
    return Math.min(all, busyWorkgroups * ROWS);
  }

  #tail({ tail }: AttentionBuffers): GPUBuffer[] {
    if (!this.decodesTail) return [];
    if (tail === undefined) throw new Error("decoding lacks the tail it attends to");
    return [tail.keys, tail.values];
  }

  #kept({ qkv, kept }: AttentionBuffers): GPUBuffer[] {
    if (!this.shape.keepsQueries) return [];
    if (kept === undefined) throw new Error("decoding lacks the ring it keeps queries in");
    return [qkv, kept.queries, kept.lse, kept.generation];
  }
}

export async function createAttention(gpu: Gpu, shape: AttentionShape): Promise<Attention> {
  const sources = attentionSources(gpu.capabilities, shape);
  const kernels = await Promise.all(sources.map((source) => gpu.kernels.get(source)));
  return new Attention(gpu, shape, kernels);
}
