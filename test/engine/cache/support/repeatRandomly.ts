// The second pass of a policy that looks at a repeat, with random rows instead of a model's: what it records depends on
// queries and keys alone.

import type { Eviction } from "../../../../src/engine/cache/eviction.ts";
import type { KvCache } from "../../../../src/engine/cache/kvCache.ts";
import { CommandList } from "../../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../../src/engine/gpu/device.ts";
import {
  type AttentionShape,
  createAttention,
} from "../../../../src/engine/model/operations/attention.ts";
import { qkvSize } from "../../../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../../../src/engine/model/step.ts";
import { run, uploadFloats } from "../../../support/gpu.ts";

/** Passes of a repeat, as a slow adapter would take them. */
const PASSES = [11, 1, 40];

/** Repeat all slots that have no record, at most `tokensAtOnce` at a time; returns the pieces. */
export async function repeatRandomly(
  gpu: Gpu,
  {
    cache,
    eviction,
    shape,
    rows,
    tokensAtOnce,
  }: {
    cache: KvCache;
    eviction: Eviction;
    shape: AttentionShape;
    /** Of the repeat [tokens, qkvSize]. */
    rows: Float32Array;
    tokensAtOnce: number;
  },
): Promise<{ first: number; end: number }[]> {
  const [layer] = cache.layers;
  if (layer === undefined) throw new Error("the cache has no layers");
  const attention = await createAttention(gpu, { ...shape, lse: "repeat" });
  const rowSize = qkvSize(shape);
  const repeated = rows.length / rowSize;
  const pieces: { first: number; end: number }[] = [];
  for (let first = eviction.samples.recordedSlots; first < cache.length; first += tokensAtOnce) {
    const end = Math.min(first + tokensAtOnce, cache.length);
    pieces.push({ first, end });
    let start = 0;
    for (const size of PASSES) {
      const tokens = Math.min(size, repeated - start);
      const firstSlot = cache.length + start;
      const step = createStepBuffer(gpu);
      writeStep(gpu, step, { numTokens: tokens, firstPosition: firstSlot, firstSlot });
      const qkv = uploadFloats(gpu, rows.subarray(start * rowSize, (start + tokens) * rowSize));
      const bytes = 4 * tokens * shape.numHeads * shape.headDim;
      const output = gpu.buffers.allocate({ purpose: "activations", bytes });
      const record = { lse: eviction.lse, sample: eviction.sampleBuffer };
      const room = attention.partialBytes(firstSlot + tokens, tokens);
      const allocate = (bytes: number) => gpu.buffers.allocate({ purpose: "activations", bytes });
      const scratch = { partial: allocate(room.partial), statistics: allocate(room.statistics) };
      const parts = { output, ...scratch, ...record };
      const buffers = { qkv, cache: layer, step, ...parts };
      const sample = {
        ...{ first: 0, stride: 1, count: tokens },
        joinedSlots: start === 0 ? first : end,
        ...{ firstSlot: first, endSlot: end },
        ...{ sinks: Math.min(eviction.plan.sinks, first), repeatSlot: cache.length },
      };
      eviction.writeSample(sample);
      const commands = new CommandList();
      attention.encodeStore(commands, buffers, tokens);
      attention.encodePrefill(commands, buffers, tokens, firstSlot + tokens);
      eviction.encodeRecord(commands, buffers, end - first);
      run(gpu, commands);
      start += tokens;
    }
    eviction.samples.recordedSlots = end;
  }
  return pieces;
}
