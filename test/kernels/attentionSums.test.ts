// The kernels that record softmax weights against the reference: column sums and maxima of sampled queries, from log-sum-exps
// that attention would have left.

import { recordedSlots, sumsSource } from "../../src/engine/cache/recordKernels.ts";
import type { CacheTypeId } from "../../src/engine/cache/types.ts";
import { BufferUsage } from "../../src/engine/gpu/bufferUsage.ts";
import { withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { at, attention } from "../reference/operations.ts";
import { type AttentionCase, setUpAttention } from "../support/attentionCase.ts";
import { assertClose } from "../support/close.ts";
import { readFloats, run, uploadFloats, useGpu, useMatrixUnits } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly headDim: number;
  readonly groupSize: number;
  /** Tokens in the cache before the pass, and in the pass. */
  readonly before: number;
  readonly tokens: number;
  readonly type: CacheTypeId;
  /** Every so many-th query, from `firstQuery` on. */
  readonly stride?: number;
  readonly firstQuery?: number;
  /** The first slot recorded; 0: all. */
  readonly firstSlot?: number;
  /** Slots whose record goes on. */
  readonly joined?: number;
  /** First tokens that the second KV head does not keep. */
  readonly missing?: number;
  readonly takesMaximum?: boolean;
}

const NUM_KV_HEADS = 2;
const BEFORE = 0.25;
// Queries are rounded to f16, which moves a weight by a 500th at most.
const MATRIX_TOLERANCE = 4e-3;

// Slots and rows that fill tiles of 64, lack one or exceed them by one; records that go on; heads that hold less.
const cases: Case[] = [
  { headDim: 16, groupSize: 2, before: 31, tokens: 33, type: "f16" },
  { headDim: 64, groupSize: 1, before: 0, tokens: 65, type: "f16", joined: 40 },
  { headDim: 64, groupSize: 4, before: 130, tokens: 63, type: "q8_0", stride: 4, firstQuery: 3 },
  {
    headDim: 32,
    groupSize: 3,
    before: 200,
    tokens: 22,
    type: "f16",
    firstSlot: 130,
    takesMaximum: true,
  },
  { headDim: 16, groupSize: 2, before: 150, tokens: 70, type: "f16", missing: 140, joined: 160 },
];

describe("attention sums", function () {
  this.timeout(180_000);
  suite(useGpu(), cases);
});

describe("attention sums, without f16 and subgroups", function () {
  this.timeout(180_000);
  suite(useGpu({ restrict: withoutOptionalFeatures }), cases.slice(3));
});

describe("attention sums on matrix units", function () {
  this.timeout(180_000);
  suite(useMatrixUnits(), [
    ...cases,
    { headDim: 128, groupSize: 8, before: 300, tokens: 40, type: "f16" },
    { headDim: 80, groupSize: 1, before: 3, tokens: 1, type: "f16", takesMaximum: true },
  ]);
});

function suite(gpu: () => Gpu, tests: readonly Case[]): void {
  for (const test of tests)
    it(`add up as the reference: ${JSON.stringify(test)}`, async () => {
      const tolerance = gpu().capabilities.usesMatrixUnits ? MATRIX_TOLERANCE : 5e-4;
      const { actual, expected } = await record(gpu(), test);
      for (const [head, sums] of expected.entries()) assertClose(at(actual, head), sums, tolerance);
    });
}

async function record(
  gpu: Gpu,
  test: Case,
): Promise<Record<"actual" | "expected", Float32Array[]>> {
  const { headDim, groupSize, before, tokens, type, takesMaximum = false, missing = 0 } = test;
  const { stride = 1, firstQuery = 0, firstSlot = 0, joined = 0 } = test;
  const numHeads = groupSize * NUM_KV_HEADS;
  const types = { keyType: type, valueType: type } as const;
  const heads = { numHeads, numKvHeads: NUM_KV_HEADS, headDim };
  const shape = { ...heads, ...types, scale: 1 / Math.sqrt(headDim), window: 0 };
  const length = before + tokens;
  // Whole 64ths up to 2, which f16 holds exactly.
  const qkv = randomFloats(length * qkvSize(shape), headDim + length).map(
    (value) => Math.round(128 * value) / 64,
  );
  const set = await setUpAttention(gpu, shape, { qkv, tokens, missing: [0, missing] });
  const { lse } = attention(set.input);
  const count = Math.ceil((tokens - firstQuery) / stride);
  const queries = Array.from({ length: count }, (_, i) => firstQuery + i * stride);

  const rows = NUM_KV_HEADS * (length + 5);
  const sums = uploadFloats(gpu, new Float32Array(rows).fill(BEFORE));
  const words = Uint32Array.of(firstQuery, stride, count, joined, firstSlot, length, 0, length);
  const usage = { usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST };
  const sample = gpu.buffers.upload("parameters", words, usage);
  const lses = uploadFloats(
    gpu,
    Float32Array.from(lse, (value) => value / Math.LN2),
  );
  const kernel = await gpu.kernels.get(sumsSource(gpu.capabilities, shape, takesMaximum));
  const { cache, step } = set.buffers;
  const commands = new CommandList();
  const grid: [number, number] = [
    Math.ceil((length - firstSlot) / recordedSlots(gpu.capabilities)),
    NUM_KV_HEADS,
  ];
  const bindings = [set.buffers.qkv, cache.keys, lses, sums, step, sample, cache.heads];
  commands.dispatch(kernel, bindings, grid);
  run(gpu, commands);
  const all = await readFloats(gpu, sums, rows);
  const expected = Array.from({ length: NUM_KV_HEADS }, (_, head) =>
    weightsOf(set, lse, { head, queries, joined, firstSlot, takesMaximum, missing }),
  );
  // A head that lacks tokens has the rest from its own first slot on.
  const actual = expected.map((own, head) => {
    const first = head * (length + 5) + (head === 1 ? missing : 0);
    return all.slice(first, first + own.length);
  });
  return { actual, expected };
}

/** What is recorded of a KV head's slots, in front of which nothing is missing. */
function weightsOf(
  { input }: AttentionCase,
  lse: Float64Array,
  of: {
    head: number;
    queries: readonly number[];
    joined: number;
    firstSlot: number;
    takesMaximum: boolean;
    missing: number;
  },
): Float32Array {
  const { numHeads, numKvHeads, headDim, length, scale, queries, keys } = input;
  const groupSize = numHeads / numKvHeads;
  const tokens = queries.length / (numHeads * headDim);
  const absent = of.head === 1 ? of.missing : 0;
  return Float32Array.from({ length: length - absent }, (_, own) => {
    const slot = own + absent;
    if (slot < of.firstSlot) return BEFORE;
    const weights = of.queries.flatMap((token) => {
      if (slot > length - tokens + token) return [];
      return Array.from({ length: groupSize }, (_, member) => {
        const row = token * numHeads + of.head * groupSize + member;
        let score = 0;
        for (let d = 0; d < headDim; d++)
          score +=
            at(queries, row * headDim + d) * at(keys, (of.head * length + slot) * headDim + d);
        return Math.exp(scale * score - at(lse, row));
      });
    });
    const before = slot < of.joined ? BEFORE : 0;
    if (of.takesMaximum) return Math.max(before, ...weights);
    return before + weights.reduce((sum, weight) => sum + weight, 0) / groupSize;
  });
}
