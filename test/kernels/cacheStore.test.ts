// What cache_store.wgsl writes, word by word, for cache types whose packing others read too.

import assert from "node:assert/strict";
import { type CacheTypeId, rowBytes } from "../../src/engine/cache/types.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { createAttention } from "../../src/engine/model/operations/attention.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { FLEXGEN_GROUP, packFlexgen4, unpackFlexgen4 } from "../reference/flexgen4.ts";
import { describeOnGpu, run, uploadFloats } from "../support/gpu.ts";
import { uploadHeads } from "../support/heads.ts";
import { randomFloats } from "../support/random.ts";

/** From −1.5 to 6 in steps of a half: the quants are 0 to 15, thrice up and once down. */
const staircase = Float32Array.from({ length: FLEXGEN_GROUP }, (_, i) =>
  i < 48 ? (i % 16) / 2 - 1.5 : (63 - i) / 2 - 1.5,
);
/** Even values in the high nibbles: bytes 01 23 45 …, and fe dc ba … going down. The step is 0.5, the minimum −1.5. */
const staircaseWords = [
  ...[0x67452301, 0xefcdab89, 0x67452301, 0xefcdab89, 0x67452301, 0xefcdab89],
  ...[0x98badcfe, 0x10325476, 0xbe003800],
];

describe("flexgen4's reference", () => {
  it("packs as FlexGen does", () => {
    assert.deepEqual([...packFlexgen4(staircase)], staircaseWords);
  });

  it("reads back what fits its steps exactly, and anything within half a step", () => {
    assert.deepEqual(unpackFlexgen4(packFlexgen4(staircase)), staircase);
    const values = randomFloats(FLEXGEN_GROUP, 3);
    const range = Math.max(...values) - Math.min(...values);
    const read = unpackFlexgen4(packFlexgen4(values));
    // Half a step, and what rounding its ends to 16 bits adds.
    for (const [i, x] of values.entries())
      assert.ok(Math.abs((read[i] ?? Number.NaN) - x) <= range / 30 + range / 256);
  });
});

describeOnGpu("cache_store", (gpu) => {
  const cases: Readonly<Record<string, Float32Array>> = {
    "a staircase": staircase,
    "random values": randomFloats(2 * FLEXGEN_GROUP, 5),
    "one value throughout": new Float32Array(FLEXGEN_GROUP).fill(0.25),
    zeros: new Float32Array(FLEXGEN_GROUP),
    "values far apart": randomFloats(FLEXGEN_GROUP, 8).map((x) => 40_000 * x),
    "values close together": randomFloats(FLEXGEN_GROUP, 9).map((x) => 1 + 1e-4 * x),
    "values near zero": randomFloats(FLEXGEN_GROUP, 11).map((x) => 3e-5 * x),
    "values beyond 16 bits": randomFloats(FLEXGEN_GROUP, 10).map((x) => 1e6 * x),
  };
  for (const [name, row] of Object.entries(cases))
    it(`packs ${name} into flexgen4`, async () => {
      const expected: number[] = [];
      for (let start = 0; start < row.length; start += FLEXGEN_GROUP)
        expected.push(...packFlexgen4(row.subarray(start, start + FLEXGEN_GROUP)));
      assert.deepEqual([...(await store(gpu(), "flexgen4", row))], expected);
    });
});

/** The words of one stored row. */
async function store(gpu: Gpu, type: CacheTypeId, row: Float32Array): Promise<Uint32Array> {
  const headDim = row.length;
  const heads = { numHeads: 1, numKvHeads: 1, headDim };
  const types = { keyType: "f32", valueType: type } as const;
  const attention = await createAttention(gpu, { ...heads, scale: 1, window: 0, ...types });
  const qkv = new Float32Array(3 * headDim);
  qkv.set(row, 2 * headDim);
  const step = createStepBuffer(gpu);
  writeStep(gpu, step, { numTokens: 1, firstPosition: 0, firstSlot: 0 });
  const allocate = (bytes: number): GPUBuffer => gpu.buffers.allocate({ purpose: "cache", bytes });
  const cache = {
    keys: allocate(rowBytes("f32", headDim)),
    values: allocate(rowBytes(type, headDim)),
    heads: uploadHeads(gpu, [[0, 0]]),
  };
  const buffers = { qkv: uploadFloats(gpu, qkv), cache, step };
  const commands = new CommandList();
  attention.encodeStore(commands, buffers, 1);
  run(gpu, commands);
  return new Uint32Array(await gpu.read(cache.values, 0, rowBytes(type, headDim)));
}
