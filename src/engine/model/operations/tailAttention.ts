// Attention to the tail of a cache, which is held in f16: storing the groups of keys that are complete, going on from what attention
// to the quantised rows gave, and storing it.

import type { TailBuffers } from "../../cache/cacheTail.ts";
import { TAIL_GROUP, type TailShape } from "../../cache/tail.ts";
import { type CacheType, cacheTypes } from "../../cache/types.ts";
import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding } from "../../gpu/kernel.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import type { AttentionShape, CacheBuffers } from "./attention.ts";
import { keyBiasBindings, keyBiasLink } from "./keyBias.ts";
import { boundPart } from "./parts.ts";
import { qkvSize } from "./rope.ts";

export interface TailAttention {
  /** In front of attention: put the groups of keys that a pass completes into the cache. */
  encodeGroups(
    commands: CommandList,
    buffers: { qkv: Binding; tail: TailBuffers; cache: CacheBuffers; step: GPUBuffer },
    tokens: number,
  ): void;
  /** Add the tail to the output of attention [tokens, numHeads * headDim], whose log-sum-exps are [tokens, numHeads]. */
  encodeFinish(
    commands: CommandList,
    buffers: {
      qkv: GPUBuffer;
      tail: TailBuffers;
      cache: CacheBuffers;
      lse: GPUBuffer;
      output: GPUBuffer;
      step: GPUBuffer;
    },
    tokens: number,
  ): void;
  /** Behind it: put a pass's keys and values into the tail, whose oldest ones they overwrite. */
  encodeStore(
    commands: CommandList,
    buffers: { qkv: GPUBuffer; tail: TailBuffers; step: GPUBuffer },
    tokens: number,
  ): void;
}

type TailedShape = AttentionShape & { readonly tail: TailShape };

const STORE_WORKGROUP = 32;
const GROUP_WORKGROUP = 16;
const FINISH_WORKGROUP = 64;
/** What the tail is held in. */
export const TAIL_ROWS_PART = "cache/f16.wgsl";

export interface TailSources {
  readonly store: KernelSource;
  /** Where keys are stored in groups. */
  readonly groups: KernelSource | undefined;
  readonly finish: KernelSource;
}

export function tailSources(capabilities: Capabilities, shape: TailedShape): TailSources {
  const { numHeads, numKvHeads, headDim } = shape;
  const keyType: CacheType = cacheTypes[shape.keyType];
  const bias = keyBiasLink(shape.keyBias, 6);
  const heads = {
    NUM_HEADS: numHeads,
    NUM_KV_HEADS: numKvHeads,
    HEAD_DIM: headDim,
    QKV_SIZE: qkvSize(shape),
    ...tailConstants(shape.tail),
  };
  return {
    store: {
      file: "tail_store.wgsl",
      parts: { cache: TAIL_ROWS_PART },
      constants: { ...heads, WORKGROUP_SIZE: STORE_WORKGROUP },
    },
    groups:
      keyType.groupSize === undefined
        ? undefined
        : {
            file: "store_key_groups.wgsl",
            parts: { tail_cache: TAIL_ROWS_PART, key_cache: keyType.part },
            constants: { ...heads, WORKGROUP_SIZE: GROUP_WORKGROUP },
          },
    finish: {
      file: "attention_tail.wgsl",
      parts: { tail_cache: TAIL_ROWS_PART, ...bias.parts, ...boundPart(capabilities) },
      constants: {
        ...heads,
        SCALE: float(shape.scale),
        WINDOW: shape.window,
        WORKGROUP_SIZE: FINISH_WORKGROUP,
        ...bias.constants,
      },
    },
  };
}

/** Constants of kernels/common/tail.wgsl. */
export function tailConstants({ sinks, residual, ring }: TailShape) {
  return {
    TAIL_SINKS: sinks,
    TAIL_RESIDUAL: residual,
    TAIL_GROUP,
    TAIL_RING: ring,
  };
}

export async function createTailAttention(gpu: Gpu, shape: TailedShape): Promise<TailAttention> {
  const { numHeads, numKvHeads, headDim } = shape;
  const sources = tailSources(gpu.capabilities, shape);
  const [store, finish] = await Promise.all([
    gpu.kernels.get(sources.store),
    gpu.kernels.get(sources.finish),
  ]);
  const groups = sources.groups && (await gpu.kernels.get(sources.groups));
  const vectors = headDim / 4;
  return {
    encodeGroups(commands, { qkv, tail, cache, step }, tokens) {
      if (groups === undefined) return;
      commands.dispatch(
        groups,
        [qkv, tail.keys, cache.keys, step, cache.heads],
        // Wherever a pass begins in a group.
        [Math.ceil(vectors / GROUP_WORKGROUP), Math.ceil(tokens / TAIL_GROUP) + 1, numKvHeads],
      );
    },
    encodeStore(commands, { qkv, tail, step }, tokens) {
      commands.dispatch(
        store,
        [qkv, tail.keys, tail.values, step],
        [Math.ceil((numKvHeads * vectors) / STORE_WORKGROUP), tokens],
      );
    },
    encodeFinish(commands, { qkv, tail, cache, lse, output, step }, tokens) {
      commands.dispatch(
        finish,
        [
          ...[qkv, tail.keys, tail.values, lse, output, step],
          ...keyBiasBindings(shape.keyBias, cache),
        ],
        [Math.ceil((tokens * numHeads) / numKvHeads / FINISH_WORKGROUP), numKvHeads],
      );
    },
  };
}
