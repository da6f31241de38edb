// The kernels that put evicted rows into pages and choose among them, with their parts and constants.

import type { Capabilities } from "../../gpu/capabilities.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import type { AttentionShape } from "../../model/operations/attention.ts";
import { keyBiasLink } from "../../model/operations/keyBias.ts";
import { qkvSize, type RopeShape } from "../../model/operations/rope.ts";
import { cacheTypes } from "../types.ts";
import { PAGE_TOKENS, pageLayout } from "./pageLayout.ts";

export const SPILL_WORKGROUP = 64;
export const BOUNDS_WORKGROUP = 32;
export const SCORE_WORKGROUP = 32;
/** Ranks at which keys cached before RoPE are compared, spread over those that recalled ones may get. */
const RANKS_TRIED = 8;

export interface SpillSources {
  readonly slots: KernelSource;
  readonly keys: KernelSource;
  readonly values: KernelSource;
  readonly bounds: KernelSource;
}

/** `shape.keyBias`: as the spilled keys have it, see `unturned`. */
export function spillSources(shape: AttentionShape): SpillSources {
  const bias = keyBiasLink(shape.keyBias, 5);
  const { numKvHeads, headDim, keyType } = shape;
  const layout = pageLayout(shape);
  const record = {
    WORKGROUP_SIZE: SPILL_WORKGROUP,
    NUM_KV_HEADS: numKvHeads,
    PAGE: PAGE_TOKENS,
    RECORD_WORDS: layout.recordBytes / 4,
  };
  const rows = (offset: number, rowBytes: number): KernelSource => ({
    file: "spill_rows.wgsl",
    constants: { ...record, OFFSET: offset / 4, ROW_WORDS: rowBytes / 4 },
  });
  return {
    slots: {
      file: "spill_slots.wgsl",
      constants: { ...record, OFFSET: layout.positionsAt / 4 },
    },
    keys: rows(0, layout.keyBytes),
    values: rows(layout.valuesAt, layout.valueBytes),
    bounds: {
      file: "page_bounds.wgsl",
      parts: { key_cache: cacheTypes[keyType].part, ...bias.parts },
      constants: {
        ...bias.constants,
        WORKGROUP_SIZE: BOUNDS_WORKGROUP,
        NUM_KV_HEADS: numKvHeads,
        HEAD_DIM: headDim,
        PAGE: PAGE_TOKENS,
      },
    },
  };
}

export interface ScoreSources {
  readonly queries: KernelSource;
  readonly lse: KernelSource;
  readonly scores: KernelSource;
}

/** Where RoPE is applied, and whether keys are cached before it. */
export interface PageRope extends Pick<RopeShape, "ropeDim" | "pairing" | "attentionFactor"> {
  readonly movesKeys: boolean;
}

/** Number of versions of each query. */
export function queryVersions({ movesKeys }: PageRope): number {
  return (movesKeys ? RANKS_TRIED : 1) + 1;
}

export function scoreSources(
  capabilities: Capabilities,
  shape: AttentionShape,
  rope: PageRope,
): ScoreSources {
  // As boundPart, in kernels without a step.
  const file = capabilities.isSoftware ? "bound_question.wgsl" : "bound_constant.wgsl";
  const parts = { bound: `common/${file}` };
  const constants = {
    WORKGROUP_SIZE: SCORE_WORKGROUP,
    NUM_HEADS: shape.numHeads,
    HEAD_DIM: shape.headDim,
    REFERENCES: queryVersions(rope) - 1,
  };
  const bias = keyBiasLink(shape.keyBias, 6);
  const paged = { ...constants, NUM_KV_HEADS: shape.numKvHeads };
  return {
    queries: {
      file: "page_queries.wgsl",
      constants: {
        ...constants,
        QKV_SIZE: qkvSize(shape),
        SCALE: float(shape.scale),
        ROPE_DIM: rope.ropeDim,
        IS_INTERLEAVED: rope.pairing === "interleaved",
        ATTENTION_FACTOR: float(rope.attentionFactor),
        TURNS: rope.movesKeys,
      },
    },
    lse: {
      file: "page_lse.wgsl",
      parts: { ...parts, key_cache: cacheTypes[shape.keyType].part, ...bias.parts },
      constants: { ...paged, ...bias.constants },
    },
    scores: { file: "score_pages.wgsl", parts, constants: paged },
  };
}
