// Host side of kernels/common/key_bias.wgsl: a bias of keys that is kept out of the cache's rows and added where they are loaded.

import type { LayerCache } from "../../cache/cacheShape.ts";
import type { CacheTypeId } from "../../cache/types.ts";
import { BufferUsage } from "../../gpu/bufferUsage.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import type { DecoderConfig } from "../decoderConfig.ts";
import type { RopeShape } from "./rope.ts";

/** How positions turn the bias: as they turn keys. */
export interface KeyBiasShape
  extends Pick<RopeShape, "ropeDim" | "pairing" | "attentionFactor" | "period"> {
  /** Evictions part slots from positions: the cache lists what each key was turned by. */
  readonly isListed?: boolean;
}

export interface KeyBiasBuffers {
  /** Uniform [numKvHeads, headDim], in front of RoPE. */
  readonly bias: GPUBuffer;
  /** RoPE's, see `packFrequencies`. */
  readonly frequencies: GPUBuffer;
}

interface CacheBasics {
  readonly typeK: CacheTypeId;
  /** Keys are cached rotated by a Hadamard matrix, which spreads a bias over all dimensions and does not commute with RoPE. */
  readonly rotatesKeys: boolean;
}

type BiasConfig = Pick<DecoderConfig, "hasQkvBias" | "hasQkNorm">;

/** Whether a cache holds keys without their bias: where it rounds them. In f16 a bias costs nothing, and in f32 it shows exactness. */
export function keepsBiasApart(config: BiasConfig, { typeK, rotatesKeys }: CacheBasics): boolean {
  return hasKeyBias(config) && typeK !== "f16" && !rotatesKeys;
}

/** Whether rows of rotated keys would be rounded with a bias inside, where it costs the most: it cannot be taken out of them. */
export function rotationMeetsBias(config: BiasConfig, typeK: CacheTypeId): boolean {
  return hasKeyBias(config) && typeK !== "f16" && typeK !== "f32";
}

/** A bias that could be kept apart: a norm behind it is not linear. */
function hasKeyBias({ hasQkvBias, hasQkNorm }: BiasConfig): boolean {
  return hasQkvBias && !hasQkNorm;
}

/** The part behind `#include <key_bias>`, its first binding being `binding`. */
export function keyBiasLink(
  shape: KeyBiasShape | undefined,
  binding: number,
): Required<Pick<KernelSource, "parts" | "constants">> {
  if (shape === undefined) return { parts: { key_bias: "common/key_whole.wgsl" }, constants: {} };
  return {
    parts: {
      key_bias: "common/key_bias.wgsl",
      key_place: shape.isListed ? "common/place_listed.wgsl" : "common/place_slot.wgsl",
    },
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

/** What a layer's cache has for keys that are held without their bias. */
interface KeyBiasCache {
  readonly keyBias?: KeyBiasBuffers | undefined;
  readonly places?: GPUBuffer;
}

/** What a kernel with the part is bound to, behind its own buffers. */
export function keyBiasBindings(
  shape: KeyBiasShape | undefined,
  { keyBias, places }: KeyBiasCache,
): GPUBuffer[] {
  if (shape === undefined) return [];
  if (keyBias === undefined) throw new Error("the cache lacks the bias that its keys are without");
  const bindings = [keyBias.bias, keyBias.frequencies];
  if (!shape.isListed) return bindings;
  if (places === undefined) throw new Error("the cache does not list what its keys were turned by");
  return [...bindings, places];
}

/** The shape for kernels that read keys in front of RoPE: at position 0 nothing is turned. */
export function unturned(shape: KeyBiasShape | undefined): KeyBiasShape | undefined {
  return shape && { ...shape, isListed: false, attentionFactor: 1, period: 1 };
}

/** A layer's bias on the GPU, smoothed as its keys are: λ is the same for both dimensions of a pair, so that RoPE may follow. */
export function uploadKeyBias(gpu: Gpu, bias: Float32Array, lambda?: Float32Array): GPUBuffer {
  const smoothed = lambda ? bias.map((value, i) => value / (lambda[i] ?? Number.NaN)) : bias;
  return gpu.buffers.upload("parameters", smoothed, {
    usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
  });
}

const PLACES_WORKGROUP = 32;

export function storePlacesSource(numKvHeads: number): KernelSource {
  return {
    file: "store_places.wgsl",
    constants: { WORKGROUP_SIZE: PLACES_WORKGROUP, NUM_KV_HEADS: numKvHeads },
  };
}

/** Notes what a pass's keys were turned by, in caches that list it. */
export type StorePlaces = (
  commands: CommandList,
  buffers: { readonly cache: LayerCache; readonly step: GPUBuffer },
  tokens: number,
) => void;

export async function createStorePlaces(gpu: Gpu, numKvHeads: number): Promise<StorePlaces> {
  const kernel = await gpu.kernels.get(storePlacesSource(numKvHeads));
  return (commands, { cache: { places, heads }, step }, tokens) => {
    if (places === undefined) throw new Error("the cache has no places");
    commands.dispatch(
      kernel,
      [places, step, heads],
      [Math.ceil(numKvHeads / PLACES_WORKGROUP), tokens],
    );
  };
}
