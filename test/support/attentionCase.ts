// Random queries, keys and values in a cache on the GPU, and the same for the reference.

import { type CacheTypeId, rowBytes } from "../../src/engine/cache/types.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import {
  type Attention,
  type AttentionBuffers,
  type AttentionShape,
  createAttention,
} from "../../src/engine/model/operations/attention.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { throughCache } from "../reference/cacheTypes.ts";
import type { AttentionInput } from "../reference/operations.ts";
import { run, uploadFloats } from "./gpu.ts";
import { uploadHeads } from "./heads.ts";

export interface AttentionData {
  readonly qkv: Float32Array;
  readonly tokens: number;
  readonly missing?: readonly number[];
}

export interface AttentionCase {
  readonly attention: Attention;
  /** Buffers of the last pass, stored. */
  readonly buffers: AttentionBuffers;
  /** The last pass as the reference takes it, keys and values as the cache types round them. */
  readonly input: AttentionInput;
}

/**
 * Put `qkv` [tokens, qkvSize] into a cache in two passes, the last of `tokens` tokens. A KV head may miss so many of the first
 * tokens, as if an eviction had taken them.
 */
export async function setUpAttention(
  gpu: Gpu,
  shape: AttentionShape,
  { qkv, tokens, missing = [] }: AttentionData,
): Promise<AttentionCase> {
  const { numHeads, numKvHeads, headDim, keyType, valueType } = shape;
  const rowSize = qkvSize(shape);
  const length = qkv.length / rowSize;
  // Tokens that a head misses are stored in front of its rows.
  let rows = 0;
  const heads = Array.from({ length: numKvHeads }, (_, head): [number, number] => {
    const { [head]: absent = 0 } = missing;
    const firstRow = rows + absent;
    rows = firstRow + length + 5;
    return [firstRow, -absent];
  });
  const attention = await createAttention(gpu, shape);
  const partial = attention.partialBytes(length, tokens);
  const allocate = (bytes: number): GPUBuffer => gpu.buffers.allocate({ purpose: "cache", bytes });
  // Slots behind the end are never empty in real use: NaN there must not reach the output.
  const garbage = (type: CacheTypeId): Uint32Array =>
    new Uint32Array((rows * rowBytes(type, headDim)) / 4).fill(0x7fc07fc0);
  const common = {
    cache: {
      keys: gpu.buffers.upload("cache", garbage(keyType)),
      values: gpu.buffers.upload("cache", garbage(valueType)),
      heads: uploadHeads(gpu, heads),
    },
    output: allocate(4 * tokens * numHeads * headDim),
    partial: allocate(partial.partial),
    statistics: allocate(partial.statistics),
    ...(shape.lse && { lse: allocate(4 * tokens * numHeads) }),
  };
  const store = (first: number, count: number): AttentionBuffers => {
    const step = createStepBuffer(gpu);
    writeStep(gpu, step, { numTokens: count, firstPosition: first, firstSlot: first });
    const rows = qkv.subarray(first * rowSize, (first + count) * rowSize);
    const buffers = { ...common, qkv: uploadFloats(gpu, rows), step };
    const commands = new CommandList();
    attention.encodeStore(commands, buffers, count);
    run(gpu, commands);
    return buffers;
  };
  const before = length - tokens;
  if (before > 0) store(0, before);
  const kept = heads.map(([, surplus]) => length + surplus);
  const input = { ...inputOf(shape, qkv, tokens), kept };
  return { attention, buffers: store(before, tokens), input };
}

function inputOf(shape: AttentionShape, qkv: Float32Array, tokens: number): AttentionInput {
  const { numHeads, numKvHeads, headDim } = shape;
  const rowSize = qkvSize(shape);
  const length = qkv.length / rowSize;
  const join = (first: number, type: CacheTypeId): Float32Array => {
    const joined = new Float32Array(numKvHeads * length * headDim);
    for (let head = 0; head < numKvHeads; head++) {
      const rows = Float32Array.from(
        { length: length * headDim },
        (_, i) =>
          qkv[Math.floor(i / headDim) * rowSize + (first + head) * headDim + (i % headDim)] ?? 0,
      );
      joined.set(throughCache(type, rows), head * length * headDim);
    }
    return joined;
  };
  const queries = new Float32Array(tokens * numHeads * headDim);
  for (let token = 0; token < tokens; token++) {
    const row = (length - tokens + token) * rowSize;
    queries.set(qkv.subarray(row, row + numHeads * headDim), token * numHeads * headDim);
  }
  const keys = join(numHeads, shape.keyType);
  const values = join(numHeads + numKvHeads, shape.valueType);
  return { ...shape, queries, keys, values, length };
}
