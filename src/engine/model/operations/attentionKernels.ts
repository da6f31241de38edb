// The attention kernels' sources: chosen for an adapter and a shape, with the sizes their host side needs to know.

import { TAIL_GROUP, type TailShape } from "../../cache/tail.ts";
import { cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import {
  type CachedHeads,
  decodeTileOf,
  matrixGroups,
  matrixTileOf,
  ROWS,
  tileOf,
} from "./attentionTiles.ts";
import { KEPT_QUERIES } from "./keptQueries.ts";
import { type KeyBiasShape, keyBiasLink } from "./keyBias.ts";
import { boundPart, reducePart, runsLanes } from "./parts.ts";
import { type HeadShape, qkvSize } from "./rope.ts";
import { TAIL_ROWS_PART, tailConstants } from "./tailAttention.ts";

export interface AttentionShape extends CachedHeads {
  /** Multiplies q·k. */
  readonly scale: number;
  /** Tokens a query sees back, itself included; 0: all. */
  readonly window: number;
  /** Each query row's log-sum-exp as well: over all slots, or over those that a `Sample` names. */
  readonly lse?: "none" | "all" | "repeat";
  /** Whether a query of a pass sees its own slot last; false: it sees all slots. */
  readonly isCausal?: boolean;
  /** Where the cache has one: its slots are left to `createTailAttention`, which needs the log-sum-exps, unless `decodesTail`. */
  readonly tail?: TailShape | undefined;
  /** Where the cache holds keys without their bias. */
  readonly keyBias?: KeyBiasShape | undefined;
  /** Decoding keeps its query and log-sum-exps in a ring. */
  readonly keepsQueries?: boolean;
}

/** Parts behind `#include <row_lse>`, and the bindings that each has. */
const ROW_LSE = {
  none: { file: "common/lse_dropped.wgsl", buffers: 0 },
  all: { file: "common/lse_emitted.wgsl", buffers: 1 },
  repeat: { file: "common/lse_of_repeat.wgsl", buffers: 2 },
  /** Both of each part of a pass that is split. */
  repeatInParts: { file: "common/lse_of_repeat_parts.wgsl", buffers: 3 },
  repeatJoined: { file: "common/lse_of_repeat_joined.wgsl", buffers: 2 },
};

export const STORE_WORKGROUP = 32;
export const MERGE_WORKGROUP = 64;

/** Store, prefill, decode and merge, in this order; where passes may be split, what joins their parts. */
export function attentionSources(
  capabilities: Capabilities,
  shape: AttentionShape,
): KernelSource[] {
  const { window } = shape;
  const heads = headConstants(shape);
  const cache = cacheParts(shape);
  const { split, workgroup } = decodeTileOf(capabilities, shape);
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
        constants: { ...constants, WORKGROUP_SIZE: workgroup },
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
    ...prefillMergeSources(capabilities, shape),
  ];
}

/** What joins the parts of a pass, where passes may be split. */
export function prefillMergeSources(
  capabilities: Capabilities,
  shape: AttentionShape,
): KernelSource[] {
  if (!splitsPrefill(capabilities)) return [];
  const lse = rowLse(shape.lse === "repeat" ? "repeatJoined" : shape.lse);
  const constants = { ...headConstants(shape), WORKGROUP_SIZE: MERGE_WORKGROUP, ...lse.binding(4) };
  return [{ file: "attention_prefill_merge.wgsl", parts: lse.part, constants }];
}

/** The part behind `#include <row_lse>`, and the constant with its first binding, behind those of the kernel. */
function rowLse(lse: keyof typeof ROW_LSE = "none"): {
  readonly part: { readonly row_lse: string };
  /** How many it has. */
  readonly buffers: number;
  binding(number: number): Record<string, number>;
} {
  return {
    part: { row_lse: ROW_LSE[lse].file },
    buffers: ROW_LSE[lse].buffers,
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
export function tailPartsOf(capabilities: Capabilities, shape: AttentionShape): number {
  const { tail } = shape;
  // A CPU's lanes attend to it behind: they hold a cache type's blocks, and the tail is short.
  if (tail === undefined || runsLanes(capabilities)) return 0;
  return Math.ceil(
    (tail.sinks + tail.residual + TAIL_GROUP) / decodeTileOf(capabilities, shape).split,
  );
}

/** Attention of many queries, to all blocks of slots or to those that are listed (see `sparsity/`). */
export function prefillSource(
  capabilities: Capabilities,
  shape: AttentionShape,
  blocks: "all" | "listed",
): KernelSource {
  const partsLse = shape.lse === "repeat" ? "repeatInParts" : "all";
  const lse = rowLse(splitsPrefill(capabilities) ? partsLse : shape.lse);
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
  const matrix = matrixTileOf(capabilities, shape);
  if (matrix !== undefined) {
    const { side, subgroup, tile, loads } = matrix;
    const fit = { KEYS_FIT: shape.keyType === "f16", VALUES_FIT: shape.valueType === "f16" };
    return {
      file: "attention_prefill_matrix.wgsl",
      parts,
      constants: {
        ...constants,
        ...fit,
        TILE: tile,
        SIDE: side,
        SUBGROUP: subgroup,
        LOADS: loads,
        ...matrixGroups(shape.headDim / side, tile / side),
      },
    };
  }
  const tile = tileOf(shape.headDim);
  return {
    file: "attention_prefill.wgsl",
    parts: { ...parts, ...boundPart(capabilities) },
    // Whole tiles make up a block.
    constants: { ...constants, TILE: blocks === "all" ? tile : 2 ** Math.floor(Math.log2(tile)) },
  };
}

/** Workgroups of a pass of `tokens` queries. */
export function prefillGrid(
  { numHeads, numKvHeads }: HeadShape,
  tokens: number,
): [blocks: number, heads: number] {
  return [Math.ceil((tokens * numHeads) / numKvHeads / ROWS), numKvHeads];
}

/** Whether the slots of a pass may be split among workgroups: a CPU has few cores. */
function splitsPrefill(capabilities: Capabilities): boolean {
  return capabilities.busyWorkgroups > 1 && !runsLanes(capabilities);
}

/** Slots that are worth a workgroup of their own: what joining costs is little beside them. */
export const LEAST_PART = 512;

/** Parts of the slots of a pass that keep the GPU busy. */
export function prefillParts(
  capabilities: Capabilities,
  shape: AttentionShape,
  { tokens, length }: { tokens: number; length: number },
): number {
  const [blocks, heads] = prefillGrid(shape, tokens);
  const seen = shape.window > 0 ? Math.min(length, shape.window + tokens) : length;
  const enough = Math.floor(capabilities.busyWorkgroups / (blocks * heads));
  return Math.max(1, Math.min(enough, Math.floor(seen / LEAST_PART)));
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
