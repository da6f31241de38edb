// What a cache is made of: its shape, what a layer holds, and what is known beside the buffers.

import type { CacheBuffers } from "../model/operations/attention.ts";
import type { CachePlan } from "./cachePlan.ts";
import type { DualChunk } from "./dualChunk.ts";
import type { CacheRotationId } from "./rotation.ts";
import type { TailShape } from "./tail.ts";
import { type CacheTypeId, rowBytes } from "./types.ts";

export interface KvCacheShape {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly typeK: CacheTypeId;
  readonly typeV: CacheTypeId;
  /** Why a type is not what was asked for. */
  readonly typeFallback?: string;
  /** Slots it may grow to: the context length, or what a bounded policy needs. */
  readonly maxSlots: number;
  /** Slots that a repeat takes behind those filled, in front of an eviction. */
  readonly repeatSlots?: number;
  /** Absent: every token stays. */
  readonly plan?: CachePlan;
  /** Chunks of the text in which positions begin anew. */
  readonly dualChunk?: DualChunk;
  /** Default: off. */
  readonly rotation?: CacheRotationId;
  /** SmoothAttention's λ of each layer [numKvHeads, headDim]. */
  readonly lambdas?: readonly Float32Array[];
  /** The RoPE scaling that keys are turned under, for the stats. */
  readonly ropeScaling?: string;
  /** Whether keys are held without the model's bias, see `keepsBiasApart`. */
  readonly isKeyBiasApart?: boolean;
  /** Sinks and newest tokens in f16; only where every token stays. */
  readonly tail?: TailShape;
}

/** What a layer holds for each slot; those behind `values` only where the plan needs them. */
export type Plane = "keys" | "values" | "unrotatedKeys" | "places" | "positions" | "attentionSums";

/** One layer's cache. */
export interface LayerCache extends CacheBuffers {
  /** Keys before RoPE, where positions move; `keys` are those turned by their slots. */
  readonly unrotatedKeys?: GPUBuffer;
  /** Tokens that the slots moved by evictions hold [rows]. */
  readonly positions?: GPUBuffer;
  /** Attention recorded for the policy [rows]. */
  readonly attentionSums?: GPUBuffer;
}

/** What the cache knows beside its buffers. */
export interface CacheCounters {
  /** Tokens the cache stands for, evicted ones included. */
  readonly tokens: Uint32Array;
  /** Slots that hold a token, of a head without surplus. */
  readonly length: number;
  /** Slots that hold a token: [layers][KV heads]. */
  readonly headLengths: readonly (readonly number[])[];
  /** Tokens read at each layer's last eviction. */
  readonly listedTokens: readonly number[];
  /** Tokens of the document that RoPE's frequencies were fixed for, where they follow it. */
  readonly ropeLength?: number;
}

/** Who relies on the first tokens of the cache, such as a trunk that branches share. */
export interface CacheWatcher {
  /** Tokens it relies on. */
  readonly tokens: number;
  /** Slots of these tokens are about to be rewritten in place. */
  willRewrite(): void;
  /** Some of these tokens were given up. */
  lost(): void;
}

/** What a slot of one head takes of each plane, in bytes. */
export function planesOf({
  typeK,
  typeV,
  headDim,
  plan,
  isKeyBiasApart,
}: KvCacheShape): [Plane, number][] {
  const planes: [Plane, number][] = [
    ["keys", rowBytes(typeK, headDim)],
    ["values", rowBytes(typeV, headDim)],
  ];
  if (plan === undefined) return planes;
  if (plan.scheme.movesKeys) planes.push(["unrotatedKeys", rowBytes(typeK, headDim)]);
  if (isKeyBiasApart) planes.push(["places", 4]);
  planes.push(["positions", 4]);
  const { records } = plan.policy;
  if (records && records.queries !== "statistics") planes.push(["attentionSums", 4]);
  return planes;
}
