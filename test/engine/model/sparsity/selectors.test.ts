// Every selector of sparse prefill against the reference: the scores, the choice, the attention; and equal to dense
// attention, bit by bit, when all blocks are chosen.

import assert from "node:assert/strict";
import type { CacheTypeId } from "../../../../src/engine/cache/types.ts";
import {
  type Capabilities,
  withoutOptionalFeatures,
} from "../../../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../../src/engine/gpu/device.ts";
import { qkvSize } from "../../../../src/engine/model/operations/rope.ts";
import {
  type PrefillSelectorId,
  prefillSelectors,
} from "../../../../src/engine/model/sparsity/index.ts";
import { createSparsePrefill } from "../../../../src/engine/model/sparsity/sparsePrefill.ts";
import { HALF_VALUES, halfBits } from "../../../../src/engine/model/weightFormats/float16.ts";
import { at } from "../../../reference/operations.ts";
import {
  BLOCK,
  blockScores,
  chooseBlocks,
  chooseVerticalSlash,
  queryBlocks,
  sparseAttention,
} from "../../../reference/prefillSparsity.ts";
import { type AttentionCase, setUpAttention } from "../../../support/attentionCase.ts";
import { assertClose } from "../../../support/close.ts";
import { readFloats, run, useGpu, useMatrixUnits } from "../../../support/gpu.ts";
import { randomFloats } from "../../../support/random.ts";

interface Case {
  readonly headDim: number;
  readonly groupSize: number;
  /** Tokens in the cache before the pass, and in the pass. */
  readonly before: number;
  readonly tokens: number;
  readonly threshold: number;
  readonly type?: CacheTypeId;
}

const NUM_KV_HEADS = 2;
const NUM_LAYERS = 2;
const LAYER = 1;
const Q8_0_BLOCK = 32;
// Weights are rounded to f16.
const MATRIX_TOLERANCE = 4e-3;

// Within one block, at its edges, over many; passes that begin and end inside blocks.
const cases: Case[] = [
  { headDim: 8, groupSize: 1, before: 0, tokens: 2, threshold: 0.5 },
  { headDim: 8, groupSize: 1, before: 704, tokens: 128, threshold: 0.25 },
  { headDim: 8, groupSize: 4, before: 500, tokens: 77, threshold: 0.4 },
  { headDim: 8, groupSize: 8, before: 63, tokens: 130, threshold: 0.6 },
  { headDim: 96, groupSize: 3, before: 299, tokens: 21, threshold: 0.5 },
  { headDim: 64, groupSize: 2, before: 310, tokens: 150, threshold: 0.34, type: "f16" },
  { headDim: 32, groupSize: 1, before: 257, tokens: 64, threshold: 0.5, type: "q8_0" },
];

describe("sparse prefill", function () {
  // A software adapter compiles each of these shapes for seconds.
  this.timeout(180_000);
  suite(useGpu(), cases);
});
describe("sparse prefill, without f16 and subgroups", function () {
  this.timeout(180_000);
  suite(useGpu({ restrict: withoutOptionalFeatures }), cases.slice(1, 3));
});

describe("sparse prefill split into parts, without f16 and subgroups", function () {
  this.timeout(180_000);
  const restrict = (offered: Capabilities): Capabilities => ({
    ...withoutOptionalFeatures(offered),
    // As a GPU, which chooses with more invocations.
    isSoftware: false,
    busyWorkgroups: 1024,
  });
  suite(useGpu({ restrict }), [
    { headDim: 8, groupSize: 2, before: 2290, tokens: 40, threshold: 0.5 },
  ]);
});

describe("sparse prefill on matrix units", function () {
  this.timeout(180_000);
  suite(useMatrixUnits(), [
    ...cases.filter(({ type }) => type !== undefined),
    { headDim: 128, groupSize: 4, before: 299, tokens: 77, threshold: 0.4, type: "f16" },
    { headDim: 64, groupSize: 3, before: 1500, tokens: 300, threshold: 0.4, type: "f16" },
    { headDim: 32, groupSize: 8, before: 0, tokens: 130, threshold: 0.6, type: "f16" },
    { headDim: 64, groupSize: 1, before: 127, tokens: 260, threshold: 0.4, type: "q8_0" },
  ]);
});

function suite(gpu: () => Gpu, tests: readonly Case[]): void {
  // Registry keys are ids.
  for (const id of Object.keys(prefillSelectors) as PrefillSelectorId[]) {
    for (const test of tests) {
      it(`${id} chooses and attends as the reference: ${describeCase(test)}`, async () => {
        const set = await setUp(gpu(), test);
        const { threshold } = test;
        const { scores, lists, output, stats } = await prefill(gpu(), set, { id, threshold });
        const expected = blockScores(id, set.input);
        for (const [kvHead, rows] of expected.entries())
          for (const [i, row] of rows.entries())
            assertClose((scores[kvHead]?.[i] ?? []).slice(0, row.length), row, 1e-4);
        const { of } = prefillSelectors[id];
        // From the kernel's own scores, so that rounding decides nothing.
        const chosen = scores.map((rows) =>
          queryBlocks(set.input).map((own, i) =>
            id === "vertical-slash"
              ? chooseVerticalSlash(rows, own, threshold)
              : chooseBlocks((rows[i] ?? []).slice(0, own + 1), { of, threshold }),
          ),
        );
        assert.deepEqual(lists, chosen);
        const onMatrices = gpu().capabilities.usesMatrixUnits;
        const input = onMatrices ? withRoundedQueries(set.input) : set.input;
        const tolerance = onMatrices ? MATRIX_TOLERANCE : 5e-5;
        assertClose(output, sparseAttention(input, lists), tolerance);
        const visible = queryBlocks(set.input).reduce((sum, own) => sum + own + 1, 0);
        const attended = chosen.flat(2).length / (visible * NUM_KV_HEADS);
        assert.equal(stats.blocksAttended, attended);
      });
    }

    it(`${id} equals dense prefill at threshold 1`, async () => {
      const type: CacheTypeId = gpu().capabilities.usesMatrixUnits ? "f16" : "f32";
      const test = { headDim: 64, groupSize: 2, before: 310, tokens: 150, threshold: 1, type };
      const set = await setUp(gpu(), test);
      const { output, stats } = await prefill(gpu(), set, { id, threshold: 1 });
      const commands = new CommandList();
      set.attention.encodePrefill(commands, set.buffers, test.tokens, set.input.length);
      run(gpu(), commands);
      assert.deepEqual(await readFloats(gpu(), set.buffers.output, output.length), output);
      assert.equal(stats.blocksAttended, 1);
    });
  }
}

/** Attention on matrix units takes queries in f16, scaled; a score of 20 is off by a hundredth for that, and its weight by as much. */
function withRoundedQueries(input: AttentionCase["input"]): AttentionCase["input"] {
  const scale = input.scale * Math.LOG2E;
  const scaled = input.queries.map((value) => HALF_VALUES[halfBits(value * scale)] ?? 0);
  return { ...input, queries: scaled.map((value) => value / scale) };
}

function describeCase({ headDim, groupSize, before, tokens, threshold, type }: Case): string {
  return `${tokens} after ${before}, group of ${groupSize}, head of ${headDim}, ${threshold}, ${type ?? "f32"}`;
}

/** Keys of tokens near each other are alike, as those of a text are: otherwise all blocks look the same. */
async function setUp(gpu: Gpu, test: Case): Promise<AttentionCase> {
  const { headDim, groupSize, before, tokens, type = "f32" } = test;
  const shape = {
    numHeads: groupSize * NUM_KV_HEADS,
    numKvHeads: NUM_KV_HEADS,
    headDim,
    scale: 1 / Math.sqrt(headDim),
    window: 0,
    keyType: type,
    valueType: type,
  };
  const length = before + tokens;
  const rowSize = qkvSize(shape);
  const topics = randomFloats(Math.ceil(length / 50) * rowSize, 3 + headDim);
  const qkv = randomFloats(length * rowSize, headDim + length).map((value, i) => {
    const topic = at(topics, Math.floor(i / rowSize / 50) * rowSize + (i % rowSize));
    return held(value + 3 * topic, type, i);
  });
  return setUpAttention(gpu, shape, { qkv, tokens });
}

/**
 * The nearest value that the cache type holds exactly: adapters divide by a block's scale to within 2.5 units in the last
 * place, and a value between two quants would be rounded to either, a hundred times what the sums are compared to.
 */
function held(value: number, type: CacheTypeId, index: number): number {
  // f16 and f32: multiples of 1/128 up to 4.
  if (type !== "q8_0") return Math.round(128 * value) / 128;
  // Whole quants of scale 1/32; one value a block is the largest there is, which makes that its scale.
  const largest = index % Q8_0_BLOCK === 0;
  const quant = largest ? Math.sign(value) * 127 : Math.round(32 * value);
  return Math.max(-127, Math.min(127, quant)) / 32;
}

async function prefill(
  gpu: Gpu,
  { attention: { shape }, buffers, input }: AttentionCase,
  { id, threshold }: { id: PrefillSelectorId; threshold: number },
) {
  const tokens = input.queries.length / (shape.numHeads * shape.headDim);
  const plan = { id, selector: prefillSelectors[id], threshold };
  const parts = { shape, numLayers: NUM_LAYERS, chunkLength: tokens };
  const sparse = await createSparsePrefill(gpu, plan, parts);
  sparse.reserve(input.length);
  sparse.begin();
  const commands = new CommandList();
  sparse.encode(commands, LAYER, buffers, { tokens, cacheLength: input.length });
  run(gpu, commands);
  const keyBlocks = Math.ceil(input.length / BLOCK);
  // Rows of scores are query blocks, but for vertical-slash, whose are by block and by distance.
  const perRow = async (
    name: "scores" | "lists",
    size: number,
    rows = queryBlocks(input).length,
  ): Promise<number[][][]> => {
    const buffer = sparse.scratch.get(name);
    assert.ok(buffer);
    const bytes = await gpu.read(buffer);
    const values = name === "scores" ? new Float32Array(bytes) : new Uint32Array(bytes);
    return Array.from({ length: NUM_KV_HEADS }, (_, kvHead) =>
      Array.from({ length: rows }, (_, i) => {
        const first = (kvHead * rows + i) * size;
        return [...values.subarray(first, first + size)];
      }),
    );
  };
  const result = {
    scores: await perRow("scores", keyBlocks, id === "vertical-slash" ? 2 : undefined),
    lists: (await perRow("lists", 1 + keyBlocks)).map((head) =>
      head.map(([count = 0, ...list]) => list.slice(0, count)),
    ),
    output: await readFloats(gpu, buffers.output, input.queries.length),
    stats: await sparse.stats(),
  };
  sparse.dispose();
  return result;
}
