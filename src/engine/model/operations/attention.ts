// Host side of the attention kernels: storing keys and values, many queries at once, one query split over the cache.

import type { TailBuffers } from "../../cache/cacheTail.ts";
import { KEPT_QUERIES, type KeptQueries } from "../../cache/generatedQueries.ts";
import { TAIL_GROUP, type TailShape } from "../../cache/tail.ts";
import { type CacheTypeId, cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Kernel } from "../../gpu/kernel.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import { type KeyBiasBuffers, type KeyBiasShape, keyBiasBindings, keyBiasLink } from "./keyBias.ts";
import { boundPart, reducePart, runsLanes } from "./parts.ts";
import { type HeadShape, qkvSize } from "./rope.ts";
import { TAIL_ROWS_PART, tailConstants } from "./tailAttention.ts";

export interface AttentionShape extends HeadShape {
  /** Multiplies q·k. */
  readonly scale: number;
  /** Tokens a query sees back, itself included; 0: all. */
  readonly window: number;
  readonly keyType: CacheTypeId;
  readonly valueType: CacheTypeId;
  /** Each query row's log-sum-exp as well: over all slots, or over those that a `Sample` names. */
  readonly lse?: keyof typeof ROW_LSE;
  /** Whether a query of a pass sees its own slot last; false: it sees all slots. */
  readonly isCausal?: boolean;
  /** Where the cache has one: its slots are left to `createTailAttention`, which needs the log-sum-exps, unless `decodesTail`. */
  readonly tail?: TailShape | undefined;
  /** Where the cache holds keys without their bias. */
  readonly keyBias?: KeyBiasShape | undefined;
  /** Decoding keeps its query and log-sum-exps in a ring. */
  readonly keepsQueries?: boolean;
}

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

export interface AttentionBuffers {
  /** [tokens, qkvSize] */
  readonly qkv: GPUBuffer;
  readonly cache: CacheBuffers;
  /** [tokens, numHeads * headDim] */
  readonly output: GPUBuffer;
  readonly step: GPUBuffer;
  /** Room for the parts of a split, see `partialBytes`; decoding only. */
  readonly partial: GPUBuffer;
  readonly statistics: GPUBuffer;
  /** [tokens, numHeads], base 2; where the shape emits it. */
  readonly lse?: GPUBuffer | undefined;
  /** Where decoding keeps its queries. */
  readonly kept?: KeptQueries | undefined;
  /** Read by decoding where it attends to the tail as well. */
  readonly tail?: TailBuffers | undefined;
  /** Which slots count in `lse`, see kernels/common/sample.wgsl; where the shape asks for those of a repeat. */
  readonly sample?: GPUBuffer | undefined;
}

const ROW_LSE = {
  none: "common/lse_dropped.wgsl",
  all: "common/lse_emitted.wgsl",
  repeat: "common/lse_of_repeat.wgsl",
};

const STORE_WORKGROUP = 32;
const MERGE_WORKGROUP = 64;

export class Attention {
  readonly shape: AttentionShape;
  readonly split: number;
  /** Whether decoding attends to the tail as well. */
  readonly decodesTail: boolean;
  readonly #tailParts: number;
  readonly #rows: number;
  readonly #store: Kernel;
  readonly #prefill: Kernel;
  readonly #decode: Kernel;
  readonly #merge: Kernel;

  constructor(gpu: Gpu, shape: AttentionShape, kernels: readonly Kernel[]) {
    const [store, prefill, decode, merge] = kernels;
    if (!store || !prefill || !decode || !merge) throw new Error("attention has four kernels");
    this.shape = shape;
    this.split = splitOf(gpu.capabilities, shape);
    this.#tailParts = tailPartsOf(gpu.capabilities, shape);
    this.decodesTail = this.#tailParts > 0;
    this.#rows = ROWS;
    this.#store = store;
    this.#prefill = prefill;
    this.#decode = decode;
    this.#merge = merge;
  }

  /** Put the pass's keys and values into the cache, from its step's first slot on. */
  encodeStore(commands: CommandList, buffers: AttentionBuffers, tokens: number): void {
    const { qkv, cache, step } = buffers;
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

  /** Causal attention of a pass of `tokens` queries. */
  encodePrefill(commands: CommandList, buffers: AttentionBuffers, tokens: number): void {
    const { qkv, cache, output, step } = buffers;
    const { numHeads, numKvHeads } = this.shape;
    commands.dispatch(
      this.#prefill,
      [
        ...[qkv, cache.keys, cache.values, output, step, cache.heads],
        ...[...this.#lse(buffers), ...keyBiasBindings(this.shape.keyBias, cache)],
      ],
      [Math.ceil((tokens * numHeads) / numKvHeads / this.#rows), numKvHeads],
    );
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
        ...[...this.#lse(buffers), ...this.#kept(buffers)],
      ],
      [Math.ceil((numHeads * headDim) / 4 / MERGE_WORKGROUP)],
    );
  }

  /** Workgroups that share the slots of a cache of `length`. */
  splits(length: number): number {
    const { window } = this.shape;
    return Math.ceil((window > 0 ? Math.min(length, window) : length) / this.split);
  }

  /** Bytes of `partial` and `statistics` for caches of up to `length` slots. */
  partialBytes(length: number): { partial: number; statistics: number } {
    const { numHeads, headDim } = this.shape;
    const parts = (this.#tailParts + this.splits(length)) * numHeads;
    return { partial: 4 * parts * headDim, statistics: 8 * parts };
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

  #lse({ lse, sample }: AttentionBuffers): GPUBuffer[] {
    const kind = this.shape.lse ?? "none";
    const buffers = kind === "none" ? [] : kind === "all" ? [lse] : [lse, sample];
    return buffers.map((buffer) => {
      if (buffer === undefined) throw new Error(`attention lacks a buffer for its lse of ${kind}`);
      return buffer;
    });
  }
}

export async function createAttention(gpu: Gpu, shape: AttentionShape): Promise<Attention> {
  const sources = attentionSources(gpu.capabilities, shape);
  const kernels = await Promise.all(sources.map((source) => gpu.kernels.get(source)));
  return new Attention(gpu, shape, kernels);
}

/** Store, prefill, decode and merge, in this order. */
export function attentionSources(
  capabilities: Capabilities,
  shape: AttentionShape,
): KernelSource[] {
  const { headDim, window } = shape;
  const heads = headConstants(shape);
  const cache = cacheParts(shape);
  const split = splitOf(capabilities, shape);
  // What repeats is never a single token.
  const lse = rowLse(shape.lse === "repeat" ? "none" : shape.lse);
  const span = spanOf(shape);
  const tailBuffers = tailPartsOf(capabilities, shape) > 0 ? 2 : 0;
  const bias = keyBiasLink(shape.keyBias, 7 + tailBuffers);
  const constants = {
    ...queryConstants(shape),
    ...span.constants,
    ...bias.constants,
    SPLIT: split,
  };
  const parts = { ...cache, ...span.part, ...bias.parts };
  const decode = runsLanes(capabilities)
    ? { file: "attention_decode_lanes.wgsl", parts, constants }
    : {
        file: "attention_decode.wgsl",
        parts: {
          ...parts,
          ...boundPart(capabilities),
          ...reducePart(capabilities),
          ...tailPart(shape),
        },
        constants: { ...constants, WORKGROUP_SIZE: decodeSizeOf(headDim) },
      };
  return [
    {
      file: "cache_store.wgsl",
      parts: cache,
      constants: { ...heads, QKV_SIZE: qkvSize(shape), WORKGROUP_SIZE: STORE_WORKGROUP },
    },
    prefillSource(capabilities, shape, "all"),
    decode,
    {
      file: "attention_decode_merge.wgsl",
      parts: {
        ...lse.part,
        row_query: `common/query_${shape.keepsQueries ? "kept" : "dropped"}.wgsl`,
      },
      constants: {
        ...heads,
        ...(shape.keepsQueries && {
          QUERY_BINDING: 5 + lse.buffers,
          QKV_SIZE: qkvSize(shape),
          KEPT_QUERIES,
        }),
        WINDOW: window,
        SPLIT: split,
        TAIL_PARTS: tailPartsOf(capabilities, shape),
        WORKGROUP_SIZE: MERGE_WORKGROUP,
        ...lse.binding(5),
      },
    },
  ];
}

/** The part behind `#include <row_lse>`, and the constant with its first binding, behind those of the kernel. */
function rowLse(lse: keyof typeof ROW_LSE = "none"): {
  readonly part: { readonly row_lse: string };
  /** How many it has. */
  readonly buffers: number;
  binding(number: number): Record<string, number>;
} {
  return {
    part: { row_lse: ROW_LSE[lse] },
    buffers: { none: 0, all: 1, repeat: 2 }[lse],
    binding: (number) => (lse === "none" ? {} : { LSE_BINDING: number }),
  };
}

/** The part behind `#include <span>`: which of a query's slots are read in the cache's types. */
function spanOf({ tail }: AttentionShape) {
  return tail === undefined
    ? { part: { span: "common/span_all.wgsl" }, constants: {} }
    : { part: { span: "common/span_settled.wgsl" }, constants: tailConstants(tail) };
}

/** The parts behind `#include <tail>` of decoding. */
function tailPart({ tail }: AttentionShape): Record<string, string> {
  if (tail === undefined) return { tail: "common/tail_apart.wgsl" };
  return { tail: "common/tail_parts.wgsl", tail_cache: TAIL_ROWS_PART };
}

/** Workgroups of a decoding KV head that take the tail; kernels/common/tail_parts.wgsl has the same. */
function tailPartsOf(capabilities: Capabilities, shape: AttentionShape): number {
  const { tail } = shape;
  // A CPU's lanes attend to it behind: they hold a cache type's blocks, and the tail is short.
  if (tail === undefined || runsLanes(capabilities)) return 0;
  return Math.ceil((tail.sinks + tail.residual + TAIL_GROUP) / splitOf(capabilities, shape));
}

/** Attention of many queries, to all blocks of slots or to those that are listed (see `sparsity/`). */
export function prefillSource(
  capabilities: Capabilities,
  shape: AttentionShape,
  blocks: "all" | "listed",
): KernelSource {
  const lse = rowLse(shape.lse);
  const lseBinding = blocks === "listed" ? 7 : 6;
  const bias = keyBiasLink(shape.keyBias, lseBinding + lse.buffers);
  const span = spanOf(shape);
  const parts = {
    ...cacheParts(shape),
    ...lse.part,
    ...span.part,
    blocks: `common/blocks_${blocks}.wgsl`,
    ...bias.parts,
  };
  const constants = {
    ...queryConstants(shape),
    IS_CAUSAL: shape.isCausal ?? true,
    ...span.constants,
    ROWS,
    ...(blocks === "listed" && { BLOCK: ROWS }),
    ...lse.binding(lseBinding),
    ...bias.constants,
  };
  if (runsLanes(capabilities)) return { file: "attention_prefill_lanes.wgsl", parts, constants };
  const tile = tileOf(shape.headDim);
  return {
    file: "attention_prefill.wgsl",
    parts: { ...parts, ...boundPart(capabilities) },
    // Whole tiles make up a block.
    constants: { ...constants, TILE: blocks === "all" ? tile : 2 ** Math.floor(Math.log2(tile)) },
  };
}

function headConstants({ numHeads, numKvHeads, headDim }: HeadShape) {
  return { NUM_HEADS: numHeads, NUM_KV_HEADS: numKvHeads, HEAD_DIM: headDim };
}

function queryConstants(shape: AttentionShape) {
  return {
    ...headConstants(shape),
    QKV_SIZE: qkvSize(shape),
    SCALE: float(shape.scale),
    WINDOW: shape.window,
  };
}

function cacheParts({ keyType, valueType }: AttentionShape) {
  return { key_cache: cacheTypes[keyType].part, value_cache: cacheTypes[valueType].part };
}

/** Query rows of a prefilling workgroup; `BLOCK` of sparse prefill is as long, so that none straddles two blocks. */
const ROWS = 64;
// The smallest workgroup memory WebGPU promises, which leaves room for several workgroups on larger devices.
const WORKGROUP_BYTES = 16384;

/** Keys whose tile and values' tile fit in workgroup memory, a multiple of 4. */
export function tileOf(headDim: number): number {
  return Math.max(4, Math.min(32, Math.floor(WORKGROUP_BYTES / (8 * headDim) / 4) * 4));
}

/** Slots per workgroup: as many as leave room for their weights beside queries and sums. */
function splitOf(capabilities: Capabilities, { numHeads, numKvHeads, headDim }: HeadShape): number {
  const groupSize = numHeads / numKvHeads;
  const available = capabilities.limits.maxComputeWorkgroupStorageSize ?? WORKGROUP_BYTES;
  const fixed = groupSize * 16 * decodeSizeOf(headDim) + 512;
  const split = 2 ** Math.floor(Math.log2((available - fixed) / (4 * groupSize)));
  return Math.max(16, Math.min(256, split));
}

/** Invocations of a decoding workgroup: a power of two, and one for each vec4 of a head. */
function decodeSizeOf(headDim: number): number {
  return Math.max(64, 2 ** Math.ceil(Math.log2(headDim / 4)));
}
