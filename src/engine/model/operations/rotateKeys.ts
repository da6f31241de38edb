// Host side of kernels/rotate_keys.wgsl: keys cached before RoPE, turned by the positions of their slots.

import { type CacheTypeId, cacheTypes } from "../../cache/types.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import type { RopeShape } from "./rope.ts";

export interface RotateKeysShape
  extends Pick<RopeShape, "numKvHeads" | "headDim" | "ropeDim" | "pairing" | "attentionFactor"> {
  readonly keyType: CacheTypeId;
  /** Ranks from a table instead of slots. */
  readonly isRanked?: boolean;
  /** What keys are turned by is noted, see keyBias.ts. */
  readonly notesPlaces?: boolean;
}

export interface RotateKeysBuffers {
  readonly cache: {
    readonly unrotatedKeys?: GPUBuffer;
    readonly keys: GPUBuffer;
    readonly heads: GPUBuffer;
    readonly places?: GPUBuffer;
  };
  readonly frequencies: GPUBuffer;
  /** Its slots are turned, from `firstSlot` on; from 0 on, all that a head holds. */
  readonly step: GPUBuffer;
  /** [numKvHeads, slots of a head], where the kernel is ranked. */
  readonly ranks?: GPUBuffer;
}

export type RotateKeys = (commands: CommandList, buffers: RotateKeysBuffers, slots: number) => void;

const WORKGROUP_SIZE = 64;

export function rotateKeysSource(shape: RotateKeysShape): KernelSource {
  return {
    file: "rotate_keys.wgsl",
    parts: {
      key_cache: cacheTypes[shape.keyType].part,
      rank: shape.isRanked ? "rank/table.wgsl" : "rank/slot.wgsl",
      place: shape.notesPlaces ? "common/place_noted.wgsl" : "common/place_dropped.wgsl",
    },
    constants: {
      WORKGROUP_SIZE,
      NUM_KV_HEADS: shape.numKvHeads,
      HEAD_DIM: shape.headDim,
      ROPE_DIM: shape.ropeDim,
      IS_INTERLEAVED: shape.pairing === "interleaved",
      ATTENTION_FACTOR: float(shape.attentionFactor),
      ...(shape.notesPlaces && { PLACES_BINDING: shape.isRanked ? 6 : 5 }),
    },
  };
}

export async function createRotateKeys(gpu: Gpu, shape: RotateKeysShape): Promise<RotateKeys> {
  const kernel = await gpu.kernels.get(rotateKeysSource(shape));
  const blocks = shape.headDim / cacheTypes[shape.keyType].blockSize;
  return (commands, { cache, frequencies, step, ranks }, slots) => {
    const { unrotatedKeys, keys, heads, places } = cache;
    if (unrotatedKeys === undefined) throw new Error("the cache has no keys before RoPE");
    commands.dispatch(
      kernel,
      [
        ...[unrotatedKeys, frequencies, keys, step, heads],
        ...[...(ranks ? [ranks] : []), ...(shape.notesPlaces && places ? [places] : [])],
      ],
      [Math.ceil((slots * blocks) / WORKGROUP_SIZE), shape.numKvHeads],
    );
  };
}
