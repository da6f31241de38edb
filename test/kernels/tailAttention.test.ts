// Attention to caches with a tail in f16, against the reference: query by query, however the tokens are cut into passes.

import assert from "node:assert/strict";
import type { TailShape } from "../../src/engine/cache/tail.ts";
import { type CacheTypeId, rowBytes } from "../../src/engine/cache/types.ts";
import { withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { createAttention } from "../../src/engine/model/operations/attention.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { createTailAttention } from "../../src/engine/model/operations/tailAttention.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { HALF_VALUES, halfBits } from "../../src/engine/model/weightFormats/float16.ts";
import { packKivi4, unpackKivi4 } from "../reference/kivi4.ts";
import { attention as referenceAttention } from "../reference/operations.ts";
import { throughTail } from "../reference/tail.ts";
import { assertClose } from "../support/close.ts";
import { readFloats, run, uploadFloats, useGpu } from "../support/gpu.ts";
import { uploadHeads } from "../support/heads.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly keyType: CacheTypeId;
  readonly valueType: CacheTypeId;
  readonly tail: TailShape;
  /** Tokens of each pass. */
  readonly passes: readonly number[];
  readonly window?: number;
}

const HEADS = { numHeads: 4, numKvHeads: 2, headDim: 32 };
// Rings that are shorter than passes: a group, and what a query sees beside the residual.
const KIVI = { sinks: 0, residual: 0, ring: 32 };
const RESIDUAL = { sinks: 4, residual: 40, ring: 72 };

const cases: Case[] = [
  // Groups that passes complete, begin within and leave unfinished; then one token at a time over an edge.
  { keyType: "kivi4", valueType: "f16", tail: KIVI, passes: [40, 30, 1, 24, 1, 1, 1, 70] },
  { keyType: "kivi4", valueType: "f16", tail: RESIDUAL, passes: [3, 1, 90, 33, 1, 40] },
  { keyType: "q8_0", valueType: "q4_0", tail: RESIDUAL, passes: [2, 100, 1, 64, 1] },
  {
    keyType: "q8_0",
    valueType: "q4_0",
    tail: RESIDUAL,
    passes: [1, 1, 1, 1, 1, 120, 1],
    window: 30,
  },
  { keyType: "kivi4", valueType: "f16", tail: KIVI, passes: [100, 20, 1, 1], window: 20 },
];

describe("kivi4's reference", () => {
  it("packs as KIVI does: the first of eight tokens in the lowest bits", () => {
    // Two channels: up from −1.5 to 6 in steps of a half, twice over; down from 30 to 0 in steps of two, twice over.
    const rows = Float32Array.from({ length: 64 }, (_, i) => {
      const level = Math.floor(i / 2) % 16;
      return i % 2 === 0 ? level / 2 - 1.5 : 30 - 2 * level;
    });
    const words = [
      ...[0x76543210, 0x89abcdef, 0xfedcba98, 0x01234567],
      ...[0x76543210, 0x89abcdef, 0xfedcba98, 0x01234567],
      ...[0xbe003800, 0x00004000],
    ];
    assert.deepEqual([...packKivi4(rows, 2)], words);
    assert.deepEqual(unpackKivi4(packKivi4(rows, 2), 2), rows);
  });
});

describe("attention to a cache with a tail", function () {
  this.timeout(300_000);
  suite(useGpu());
});
describe("attention to a cache with a tail, without f16 and subgroups", function () {
  this.timeout(300_000);
  suite(useGpu({ restrict: withoutOptionalFeatures }));
});

function suite(gpu: () => Gpu): void {
  for (const test of cases)
    it(`${test.keyType}/${test.valueType}, ${test.tail.residual} residual, window ${test.window ?? 0}`, async () => {
      const { output, qkv, words } = await runPasses(gpu(), test);
      assertClose(output, expectedOutput(qkv, test), 1e-3);
      if (test.keyType !== "kivi4") return;
      // Every group that is whole, byte for byte.
      const length = test.passes.reduce((a, b) => a + b, 0);
      for (let head = 0; head < HEADS.numKvHeads; head++) {
        const expected = expectedWords(qkv, head, test);
        const start = (head * capacityOf(length) * rowBytes("kivi4", HEADS.headDim)) / 4;
        assert.deepEqual([...words.subarray(start, start + expected.length)], expected);
      }
    });
}

function capacityOf(length: number): number {
  return Math.ceil(length / 32) * 32;
}

async function runPasses(gpu: Gpu, { keyType, valueType, tail, passes, window = 0 }: Case) {
  const { numHeads, numKvHeads, headDim } = HEADS;
  const scale = 1 / Math.sqrt(headDim);
  const shape = { ...HEADS, scale, window, keyType, valueType, lse: "all" as const, tail };
  const attention = await createAttention(gpu, shape);
  const tailAttention = await createTailAttention(gpu, shape);
  const length = passes.reduce((a, b) => a + b, 0);
  const longest = Math.max(...passes);
  const capacity = capacityOf(length);
  const rowSize = qkvSize(HEADS);
  // Values that 16 bits hold: how a device rounds others is its own affair.
  const qkv = randomFloats(length * rowSize, length).map(
    (x) => HALF_VALUES[halfBits(2 * x)] ?? Number.NaN,
  );
  const partial = attention.partialBytes(length, longest);
  const allocate = (bytes: number): GPUBuffer => gpu.buffers.allocate({ purpose: "cache", bytes });
  // Whatever was not stored yet must not reach the output.
  const garbage = (bytes: number): GPUBuffer =>
    gpu.buffers.upload("cache", new Uint32Array(bytes / 4).fill(0x7e007e00));
  const rows = numKvHeads * capacity;
  const tailRows = numKvHeads * (tail.sinks + tail.ring);
  const cache = {
    keys: garbage(rows * rowBytes(keyType, headDim)),
    values: garbage(rows * rowBytes(valueType, headDim)),
    heads: uploadHeads(gpu, [
      [0, 0],
      [capacity, 0],
    ]),
  };
  const tailBuffers = {
    keys: garbage(tailRows * rowBytes("f16", headDim)),
    values: garbage(tailRows * rowBytes("f16", headDim)),
  };
  const lse = allocate(4 * longest * numHeads);
  const output = allocate(4 * longest * numHeads * headDim);
  const joined = new Float32Array(length * numHeads * headDim);
  let first = 0;
  for (const tokens of passes) {
    const step = createStepBuffer(gpu);
    writeStep(gpu, step, { numTokens: tokens, firstPosition: first, firstSlot: first });
    const buffers = {
      qkv: uploadFloats(gpu, qkv.subarray(first * rowSize, (first + tokens) * rowSize)),
      ...{ cache, output, step, lse, tail: tailBuffers },
      partial: allocate(partial.partial),
      statistics: allocate(partial.statistics),
    };
    const commands = new CommandList();
    attention.encodeStore(commands, buffers, tokens);
    tailAttention.encodeGroups(commands, buffers, tokens);
    if (tokens === 1) attention.encodeDecode(commands, buffers, first + 1);
    else attention.encodePrefill(commands, buffers, tokens, first + tokens);
    if (tokens > 1 || !attention.decodesTail) tailAttention.encodeFinish(commands, buffers, tokens);
    tailAttention.encodeStore(commands, buffers, tokens);
    run(gpu, commands);
    const rowValues = numHeads * headDim;
    joined.set(await readFloats(gpu, output, tokens * rowValues), first * rowValues);
    first += tokens;
  }
  const words = new Uint32Array(await gpu.read(cache.keys, 0, rows * rowBytes(keyType, headDim)));
  return { output: joined, qkv, words };
}

/** Rows of head number `head` in the qkv of the first `length` tokens. */
function headRows(qkv: Float32Array, head: number, length: number): Float32Array {
  const { headDim } = HEADS;
  const rowSize = qkvSize(HEADS);
  return Float32Array.from(
    { length: length * headDim },
    (_, i) => qkv[Math.floor(i / headDim) * rowSize + head * headDim + (i % headDim)] ?? Number.NaN,
  );
}

function expectedOutput(qkv: Float32Array, test: Case): Float32Array {
  const { numHeads, numKvHeads, headDim } = HEADS;
  const length = qkv.length / qkvSize(HEADS);
  const scale = 1 / Math.sqrt(headDim);
  const result = new Float32Array(length * numHeads * headDim);
  for (let token = 0; token < length; token++) {
    const seen = token + 1;
    const join = (first: number, type: CacheTypeId): Float32Array => {
      const joined = new Float32Array(numKvHeads * seen * headDim);
      for (let head = 0; head < numKvHeads; head++) {
        const rows = throughTail(type, headRows(qkv, first + head, seen), {
          headDim,
          tail: test.tail,
        });
        joined.set(rows, head * seen * headDim);
      }
      return joined;
    };
    const row = token * qkvSize(HEADS);
    const attended = referenceAttention({
      ...{ ...HEADS, scale, window: test.window ?? 0, length: seen },
      queries: qkv.subarray(row, row + numHeads * headDim),
      keys: join(numHeads, test.keyType),
      values: join(numHeads + numKvHeads, test.valueType),
    });
    result.set(attended.output, token * numHeads * headDim);
  }
  return result;
}

function expectedWords(qkv: Float32Array, kvHead: number, { tail, passes }: Case): number[] {
  const { numHeads, headDim } = HEADS;
  const length = passes.reduce((a, b) => a + b, 0);
  const rows = headRows(qkv, numHeads + kvHead, length);
  const halves = throughTail("f16", rows, { headDim, tail });
  const words: number[] = [];
  for (let token = 0; token + 32 <= length; token += 32) {
    const group = halves.subarray(token * headDim, (token + 32) * headDim);
    words.push(...packKivi4(group, headDim, token === 0 ? tail.sinks : 0));
  }
  return words;
}
