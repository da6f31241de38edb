// The attention kernels against the reference: both of them over the same cache, filled in two passes by cache_store.wgsl.

import assert from "node:assert/strict";
import type { CacheTypeId } from "../../src/engine/cache/types.ts";
import { type Capabilities, withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import type {
  AttentionBuffers,
  AttentionShape,
} from "../../src/engine/model/operations/attention.ts";
import { prefillParts } from "../../src/engine/model/operations/attentionKernels.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { attention as referenceAttention } from "../reference/operations.ts";
import { type AttentionCase, setUpAttention } from "../support/attentionCase.ts";
import { assertClose } from "../support/close.ts";
import { readFloats, run, useGpu, useMatrixUnits } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

interface Case {
  readonly headDim: number;
  readonly groupSize: number;
  /** Tokens in the cache before the pass, and in the pass. */
  readonly before: number;
  readonly tokens: number;
  /** First tokens that the second KV head does not keep. */
  readonly missing?: number;
  readonly window?: number;
  /** Of keys, and of values unless another is given. */
  readonly type?: CacheTypeId;
  readonly valueType?: CacheTypeId;
  /** Multiplies the queries: large scores need the safe softmax. */
  readonly sharpness?: number;
  /** Whether log-sum-exps are wanted beside the output. */
  readonly lse?: "all";
}

const NUM_KV_HEADS = 2;
// Queries, weights and values are rounded to f16.
const MATRIX_TOLERANCE = 4e-3;

// Software adapters compile each of these shapes for seconds: every one shows something of its own.
const cases: Case[] = [
  { headDim: 8, groupSize: 2, before: 31, tokens: 33, lse: "all" },
  { headDim: 8, groupSize: 2, before: 31, tokens: 33, missing: 20, lse: "all" },
  { headDim: 8, groupSize: 2, before: 5, tokens: 1, sharpness: 500, lse: "all" },
  { headDim: 64, groupSize: 2, before: 32, tokens: 65, type: "f16" },
  { headDim: 64, groupSize: 2, before: 300, tokens: 70, window: 40 },
  { headDim: 80, groupSize: 1, before: 0, tokens: 1 },
  { headDim: 96, groupSize: 3, before: 15, tokens: 17 },
  { headDim: 128, groupSize: 8, before: 700, tokens: 2, type: "f16" },
  { headDim: 256, groupSize: 4, before: 8, tokens: 9, type: "f16" },
  { headDim: 32, groupSize: 1, before: 0, tokens: 33, type: "q8_0" },
  { headDim: 64, groupSize: 2, before: 300, tokens: 35, type: "q4_0", missing: 290 },
  { headDim: 64, groupSize: 4, before: 20, tokens: 20, type: "q8_0", valueType: "q4_0" },
  { headDim: 128, groupSize: 1, before: 40, tokens: 33, type: "flexgen4" },
  { headDim: 64, groupSize: 4, before: 20, tokens: 20, type: "q8_0", valueType: "flexgen4" },
];

describe("attention", function () {
  this.timeout(180_000);
  suite(useGpu(), cases);
});
describe("attention, without f16 and subgroups", function () {
  this.timeout(180_000);
  suite(useGpu({ restrict: withoutOptionalFeatures }), cases.slice(0, 5));
});

// Enough slots for several parts, with rows that see only some of them, or in which a head holds less.
const splitCases: Case[] = [
  { headDim: 8, groupSize: 2, before: 1500, tokens: 33 },
  { headDim: 8, groupSize: 3, before: 1560, tokens: 40, missing: 1555, lse: "all" },
  { headDim: 8, groupSize: 1, before: 0, tokens: 1100, sharpness: 20, lse: "all" },
  { headDim: 8, groupSize: 2, before: 1300, tokens: 70, window: 1100 },
];

describe("attention split into parts, without f16 and subgroups", function () {
  this.timeout(180_000);
  const restrict = (offered: Capabilities): Capabilities => ({
    ...withoutOptionalFeatures(offered),
    busyWorkgroups: 1024,
  });
  const gpu = useGpu({ restrict });
  suite(gpu, splitCases);

  it("splits no pass that fills the GPU by itself, nor a short cache", () => {
    const heads = { numHeads: 4, numKvHeads: 2, headDim: 8 };
    const shape = { ...heads, scale: 1, window: 0, keyType: "f16", valueType: "f16" } as const;
    const parts = (tokens: number, length: number): number =>
      prefillParts(gpu().capabilities, shape, { tokens, length });
    // A workgroup has 64 rows: 32 tokens of a group.
    assert.deepEqual([parts(2, 1023), parts(2, 1024), parts(2, 65_536)], [1, 2, 128]);
    assert.deepEqual([parts(1024, 65_536), parts(8192, 65_536), parts(8193, 65_536)], [16, 2, 1]);
    assert.equal(
      prefillParts(gpu().capabilities, { ...shape, window: 600 }, { tokens: 2, length: 65_536 }),
      1,
    );
  });
});

// What the matrix kernel serves, and shapes that end within its tiles or scale its results on the way.
const matrixCases: Case[] = [
  { headDim: 16, groupSize: 2, before: 31, tokens: 33, type: "f16", lse: "all" },
  { headDim: 64, groupSize: 2, before: 31, tokens: 33, missing: 20, type: "f16", lse: "all" },
  { headDim: 64, groupSize: 2, before: 32, tokens: 65, type: "f16" },
  { headDim: 64, groupSize: 4, before: 500, tokens: 100, type: "f16", sharpness: 8, lse: "all" },
  { headDim: 64, groupSize: 2, before: 300, tokens: 70, window: 40, type: "f16" },
  { headDim: 80, groupSize: 1, before: 0, tokens: 1, type: "f16" },
  { headDim: 96, groupSize: 3, before: 15, tokens: 17, type: "f16", lse: "all" },
  { headDim: 128, groupSize: 8, before: 700, tokens: 2, type: "f16" },
  { headDim: 128, groupSize: 4, before: 300, tokens: 90, type: "f16", sharpness: 8 },
  { headDim: 256, groupSize: 4, before: 80, tokens: 90, type: "f16", lse: "all" },
  { headDim: 64, groupSize: 2, before: 2500, tokens: 33, type: "f16" },
  { headDim: 64, groupSize: 3, before: 1560, tokens: 40, missing: 1555, type: "f16", lse: "all" },
  { headDim: 16, groupSize: 1, before: 0, tokens: 1100, type: "f16", sharpness: 8, lse: "all" },
  ...cases.filter(({ type }) => type !== undefined && type !== "f16"),
];

describe("attention on matrix units", function () {
  this.timeout(180_000);
  suite(useMatrixUnits(), matrixCases, MATRIX_TOLERANCE);
});

function suite(gpu: () => Gpu, tests: readonly Case[], tolerance?: number): void {
  for (const test of tests) {
    it(`prefills ${describeCase(test)}`, async () => {
      const { attention, buffers, expected } = await setUp(gpu(), test);
      const commands = new CommandList();
      attention.encodePrefill(commands, buffers, test.tokens, test.before + test.tokens);
      run(gpu(), commands);
      await assertOutput(gpu(), { buffers, expected, test }, tolerance);
    });

    // Decoding has no matrices.
    if (tolerance !== undefined) continue;
    const before = test.before + test.tokens;
    it(`decodes ${describeCase({ ...test, before, tokens: 1 })}`, async () => {
      const { attention, buffers, expected } = await setUp(gpu(), { ...test, before, tokens: 1 });
      const commands = new CommandList();
      attention.encodeDecode(commands, buffers, before + 1);
      run(gpu(), commands);
      await assertOutput(gpu(), { buffers, expected, test });
    });
  }
}

/** The output is what the reference says, and so are the log-sum-exps where they are wanted. */
async function assertOutput(
  gpu: Gpu,
  { buffers, expected, test }: { buffers: AttentionBuffers; expected: Expected; test: Case },
  tolerance = toleranceOf(test),
): Promise<void> {
  const { output, lse } = expected;
  assertClose(await readFloats(gpu, buffers.output, output.length), output, tolerance);
  if (buffers.lse === undefined) return;
  // Base 2 on the GPU.
  const actual = await readFloats(gpu, buffers.lse, lse.length);
  assertClose(
    actual.map((value) => value * Math.LN2),
    lse,
    tolerance,
  );
}

type Expected = ReturnType<typeof referenceAttention>;

function describeCase({
  tokens,
  before,
  missing,
  groupSize,
  headDim,
  window,
  type,
  valueType,
  sharpness,
}: Case): string {
  return [
    `${tokens} after ${before}, group of ${groupSize}, head of ${headDim}`,
    missing ? `second KV head without the first ${missing}` : "",
    window ? `window ${window}` : "",
    type ?? "f32",
    valueType ? `values in ${valueType}` : "",
    sharpness ? "large scores" : "",
  ]
    .filter((word) => word !== "")
    .join(", ");
}

function toleranceOf({ type, valueType, sharpness }: Case): number {
  if (sharpness !== undefined) return 2e-3;
  return type === "f16" || valueType === "f16" ? 1e-3 : 2e-5;
}

/** A cache of `before` random tokens, and `tokens` more in a pass that was stored. */
async function setUp(gpu: Gpu, test: Case): Promise<AttentionCase & { expected: Expected }> {
  const { headDim, groupSize, before, tokens, missing = 0, window = 0, sharpness = 1 } = test;
  const { type: keyType = "f32", valueType = keyType } = test;
  const shape: AttentionShape = {
    numHeads: groupSize * NUM_KV_HEADS,
    numKvHeads: NUM_KV_HEADS,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    window,
    keyType,
    valueType,
    ...(test.lse && { lse: test.lse }),
  };
  const length = before + tokens;
  const rowSize = qkvSize(shape);
  const queryValues = shape.numHeads * headDim;
  const qkv = randomFloats(length * rowSize, headDim + length).map((value, i) =>
    i % rowSize < queryValues ? value * sharpness : value,
  );
  const set = await setUpAttention(gpu, shape, { qkv, tokens, missing: [0, missing] });
  return { ...set, expected: referenceAttention({ ...set.input, window }) };
}
