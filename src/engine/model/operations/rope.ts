// Host side of kernels/rope.wgsl: positions become angles from a table of frequencies made here.

import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding } from "../../gpu/kernel.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import { KEPT_QUERIES, type KeptQueries } from "./keptQueries.ts";
import { reducePart } from "./parts.ts";

/** How a token's queries, keys and values lie in a row: heads of `headDim`, queries first. */
export interface HeadShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

export function qkvSize(shape: HeadShape): number {
  return (shape.numHeads + 2 * shape.numKvHeads) * shape.headDim;
}

export interface RopeShape extends HeadShape {
  readonly ropeDim: number;
  readonly pairing: "interleaved" | "half";
  readonly attentionFactor: number;
  readonly hasQkNorm: boolean;
  readonly epsilon: number;
  /** False: keys are normed and left for `createRotateKeys`. */
  readonly rotatesKeys: boolean;
  /** Positions begin anew every so many tokens; absent: never. */
  readonly period?: number;
}

export interface RopeBuffers {
  /** [ropeDim / 2] of two words, see `packFrequencies`. */
  readonly frequencies: GPUBuffer;
  /** [2, headDim], or any buffer where the model has no QK-norm. */
  readonly norms: GPUBuffer;
  /** [tokens, qkvSize], changed in place. */
  readonly qkv: Binding;
  readonly step: GPUBuffer;
  /** Of the layer's cache; read where keys are cached before RoPE. */
  readonly heads: GPUBuffer;
  /** Where a step of decoding leaves its queries as they were, if it does. */
  readonly kept?: KeptQueries | undefined;
}

/** Longer than any text. */
const NO_PERIOD = 2 ** 32 - 1;

export type Rope = (commands: CommandList, buffers: RopeBuffers, tokens: number) => void;

/** The kernel; `keepsQueries`: that of decoding where the queries of generated tokens are looked at as they were. */
export function ropeSource(
  capabilities: Capabilities,
  shape: RopeShape,
  keepsQueries = false,
): KernelSource {
  return {
    file: "rope.wgsl",
    parts: {
      ...reducePart(capabilities),
      unturned_query: `common/unturned_${keepsQueries ? "kept" : "dropped"}.wgsl`,
    },
    constants: {
      ...(keepsQueries && { KEPT_QUERIES }),
      WORKGROUP_SIZE: 32,
      QKV_SIZE: qkvSize(shape),
      NUM_HEADS: shape.numHeads,
      NUM_KV_HEADS: shape.numKvHeads,
      HEAD_DIM: shape.headDim,
      ROPE_DIM: shape.ropeDim,
      IS_INTERLEAVED: shape.pairing === "interleaved",
      ATTENTION_FACTOR: float(shape.attentionFactor),
      HAS_QK_NORM: shape.hasQkNorm,
      EPSILON: float(shape.epsilon),
      ROTATES_KEYS: shape.rotatesKeys,
      PERIOD: shape.period ?? NO_PERIOD,
    },
  };
}

export async function createRope(gpu: Gpu, shape: RopeShape, keepsQueries = false): Promise<Rope> {
  const kernel = await gpu.kernels.get(ropeSource(gpu.capabilities, shape));
  const keeping =
    keepsQueries && (await gpu.kernels.get(ropeSource(gpu.capabilities, shape, true)));
  const count = shape.numHeads + shape.numKvHeads;
  return (commands, { frequencies, norms, qkv, step, heads, kept }, tokens) => {
    const buffers = [frequencies, norms, qkv, step, heads];
    if (keeping && kept)
      commands.dispatch(keeping, [...buffers, kept.queries, kept.generation], [count, tokens]);
    else commands.dispatch(kernel, buffers, [count, tokens]);
  };
}

/** Inverse frequencies (radians per position) as turns in 64-bit binary fractions: high word, low word. */
export function packFrequencies(inverseFrequencies: Float64Array): Uint32Array {
  const words = new Uint32Array(2 * inverseFrequencies.length);
  for (const [pair, radians] of inverseFrequencies.entries()) {
    const turns = (radians / (2 * Math.PI)) * 2 ** 32;
    words[2 * pair] = Math.floor(turns);
    words[2 * pair + 1] = (turns - Math.floor(turns)) * 2 ** 32;
  }
  return words;
}
