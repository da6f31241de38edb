// Score kernels that several policies share.

import { keyBiasLink } from "../../model/operations/keyBias.ts";
import { cacheTypes } from "../types.ts";
import type { ScoreKernel, ScoreShape } from "./policy.ts";

const WORKGROUP_SIZE = 64;

function perSlot(numKvHeads: number): ScoreKernel["grid"] {
  return (slots) => [Math.ceil(slots / WORKGROUP_SIZE), numKvHeads];
}

/** Scores from the recorded attention: averaged over neighbours, heads or the queries that could see a slot. */
export function attentionScore(
  { numKvHeads }: ScoreShape,
  how: { readonly pool?: number; readonly meanOverHeads?: boolean; readonly byAge?: boolean } = {},
): ScoreKernel {
  return {
    source: {
      file: "score_attention.wgsl",
      constants: {
        WORKGROUP_SIZE,
        NUM_KV_HEADS: numKvHeads,
        POOL: how.pool ?? 1,
        MEAN_OVER_HEADS: how.meanOverHeads ?? false,
        BY_AGE: how.byAge ?? false,
      },
    },
    buffers: ["attentionSums", "positions", "scores"],
    grid: perSlot(numKvHeads),
  };
}

/** −‖k‖, or 1 / ‖k‖. */
export function keyNormScore(
  { numKvHeads, headDim, keyType, keyBias }: ScoreShape,
  isInverse: boolean,
): ScoreKernel {
  const bias = keyBiasLink(keyBias, 4);
  return {
    source: {
      file: "score_key_norm.wgsl",
      parts: { key_cache: cacheTypes[keyType].part, ...bias.parts },
      constants: {
        ...bias.constants,
        WORKGROUP_SIZE,
        NUM_KV_HEADS: numKvHeads,
        HEAD_DIM: headDim,
        IS_INVERSE: isInverse,
      },
    },
    buffers: ["keys", "scores"],
    grid: perSlot(numKvHeads),
  };
}

/** Attention / ‖v‖. */
export function valueNormScore({ numKvHeads, headDim, valueType }: ScoreShape): ScoreKernel {
  return {
    source: {
      file: "score_value_norm.wgsl",
      parts: { value_cache: cacheTypes[valueType].part },
      constants: { WORKGROUP_SIZE, NUM_KV_HEADS: numKvHeads, HEAD_DIM: headDim },
    },
    buffers: ["attentionSums", "values", "scores"],
    grid: perSlot(numKvHeads),
  };
}

/** −cos(k, anchor), the anchor being the mean direction of a head's keys. */
export function keyDifferenceScores(shape: ScoreShape): readonly ScoreKernel[] {
  const { numKvHeads, headDim, keyType } = shape;
  const bias = keyBiasLink(shape.keyBias, 5);
  const parts = { key_cache: cacheTypes[keyType].part, ...bias.parts };
  const heads = { WORKGROUP_SIZE, NUM_KV_HEADS: numKvHeads, HEAD_DIM: headDim };
  const constants = { ...heads, ...bias.constants };
  return [
    keyNormScore(shape, true),
    {
      source: { file: "key_anchor.wgsl", parts, constants },
      buffers: ["keys", "anchor", "scores"],
      grid: () => [headDim / 4, numKvHeads],
    },
    {
      source: { file: "score_key_diff.wgsl", parts, constants },
      buffers: ["keys", "anchor", "scores"],
      grid: perSlot(numKvHeads),
    },
  ];
}
