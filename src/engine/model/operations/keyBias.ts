// Host side of kernels/common/key_bias.wgsl: a bias of keys that is kept out of the cache's rows and added where they are loaded.

import type { CacheTypeId } from "../../cache/types.ts";
import { BufferUsage } from "../../gpu/bufferUsage.ts";
import type { Gpu } from "../../gpu/device.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import type { DecoderConfig } from "../decoderConfig.ts";
import type { RopeShape } from "./rope.ts";

/** How positions turn the bias: as they turn keys. */
export type KeyBiasShape = Pick<RopeShape, "ropeDim" | "pairing" | "attentionFactor" | "period">;

export interface KeyBiasBuffers {
  /** Uniform [numKvHeads, headDim], in front of RoPE. */
  readonly bias: GPUBuffer;
  /** RoPE's, see `packFrequencies`. */
  readonly frequencies: GPUBuffer;
}

interface CacheBasics {
  readonly typeK: CacheTypeId;
  /** Tokens may be evicted: a slot is no position. */
  readonly isBounded: boolean;
  /** Keys are cached rotated by a Hadamard matrix, which spreads a bias over all dimensions and does not commute with RoPE. */
  readonly rotatesKeys: boolean;
}

/** Whether a cache holds keys without their bias: where it rounds them. In f16 a bias costs nothing, and in f32 it shows exactness. */
export function keepsBiasApart(
  { hasQkvBias, hasQkNorm }: Pick<DecoderConfig, "hasQkvBias" | "hasQkNorm">,
  { typeK, isBounded, rotatesKeys }: CacheBasics,
): boolean {
  // A norm behind the bias is not linear.
  return hasQkvBias && !hasQkNorm && typeK !== "f16" && !isBounded && !rotatesKeys;
}

/** The part behind `#include <key_bias>`, its first binding being `binding`. */
export function keyBiasLink(
  shape: KeyBiasShape | undefined,
  binding: number,
): Required<Pick<KernelSource, "parts" | "constants">> {
  if (shape === undefined) return { parts: { key_bias: "common/key_whole.wgsl" }, constants: {} };
  return {
    parts: { key_bias: "common/key_bias.wgsl" },
    constants: {
      KEY_BIAS_BINDING: binding,
      BIAS_ROPE_DIM: shape.ropeDim,
      BIAS_IS_INTERLEAVED: shape.pairing === "interleaved",
      BIAS_FACTOR: float(shape.attentionFactor),
      BIAS_PERIOD: shape.period ?? NO_PERIOD,
    },
  };
}

/** Longer than any text. */
const NO_PERIOD = 2 ** 32 - 1;

/** What a kernel with the part is bound to, behind its own buffers. */
export function keyBiasBindings(
  shape: KeyBiasShape | undefined,
  { keyBias }: { readonly keyBias?: KeyBiasBuffers | undefined },
): GPUBuffer[] {
  if (shape === undefined) return [];
  if (keyBias === undefined) throw new Error("the cache lacks the bias that its keys are without");
  return [keyBias.bias, keyBias.frequencies];
}

/** A layer's bias on the GPU, smoothed as its keys are: λ is the same for both dimensions of a pair, so that RoPE may follow. */
export function uploadKeyBias(gpu: Gpu, bias: Float32Array, lambda?: Float32Array): GPUBuffer {
  const smoothed = lambda ? bias.map((value, i) => value / (lambda[i] ?? Number.NaN)) : bias;
  return gpu.buffers.upload("parameters", smoothed, {
    usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
  });
}
