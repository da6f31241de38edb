// The choice of pages against the reference, and attention over kept and recalled slots against a merge by log-sum-exp.

import assert from "node:assert/strict";
import { KvCache } from "../../../../src/engine/cache/kvCache.ts";
import { choosePages } from "../../../../src/engine/cache/recall/choosePages.ts";
import { createPageScorer } from "../../../../src/engine/cache/recall/pageScorer.ts";
import { CommandList } from "../../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../../src/engine/gpu/device.ts";
import { createAttention } from "../../../../src/engine/model/operations/attention.ts";
import { packFrequencies, qkvSize } from "../../../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../../../src/engine/model/step.ts";
import { HALF_VALUES, halfBits } from "../../../../src/engine/model/weightFormats/float16.ts";
import { at, attention as referenceAttention } from "../../../reference/operations.ts";
import { mergeByLse, type PageSummary, pageScores } from "../../../reference/recall.ts";
import { assertClose } from "../../../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../../../support/gpu.ts";
import { randomFloats } from "../../../support/random.ts";

const NUM_KV_HEADS = 2;

interface Case {
  readonly groupSize: number;
  readonly headDim: number;
  readonly tokens: number;
  readonly pages: number;
  readonly pairing?: "interleaved" | "half";
  /** Multiplies the queries: large scores need the safe softmax. */
  readonly sharpness?: number;
}

const cases: Case[] = [
  { groupSize: 1, headDim: 8, tokens: 1, pages: 1 },
  { groupSize: 4, headDim: 8, tokens: 5, pages: 70 },
  { groupSize: 4, headDim: 8, tokens: 5, pages: 33, sharpness: 1e4 },
  { groupSize: 1, headDim: 8, tokens: 9, pages: 13, pairing: "half" },
  { groupSize: 2, headDim: 64, tokens: 40, pages: 3, pairing: "interleaved" },
];

describeOnGpu("recall", (gpu) => {
  for (const test of cases)
    it(`scores pages as the reference: ${JSON.stringify(test)}`, () => compareScores(gpu(), test));

  for (const groupSize of [1, 4])
    it(`attends to kept and recalled slots as two attentions merged, at any split, groups of ${groupSize}`, () =>
      compareMerge(gpu(), groupSize));
});

async function compareScores(gpu: Gpu, test: Case): Promise<void> {
  const { groupSize, headDim, tokens, pages, pairing, sharpness = 1 } = test;
  const numHeads = groupSize * NUM_KV_HEADS;
  const heads = { numHeads, numKvHeads: NUM_KV_HEADS, headDim };
  const types = { keyType: "f32", valueType: "f32" } as const;
  const shape = { ...heads, ...types, scale: 1 / Math.sqrt(headDim), window: 0 };
  const [kept, recalled, firstRank, rankSpan] = [23, 40, 4, 60];
  const invFreq = Float64Array.from({ length: headDim / 2 }, (_, i) => 10 ** (-i / 3));
  const rope = { ropeDim: headDim, attentionFactor: pairing ? 1.25 : 1 };
  const movesKeys = pairing !== undefined;
  const scorer = await createPageScorer(gpu, shape, {
    ...rope,
    pairing: pairing ?? "half",
    movesKeys,
  });

  const rowSize = qkvSize(shape);
  const rows = randomFloats(tokens * rowSize, 3).map((x) => 2 * sharpness * x);
  const cache = new KvCache(gpu, {
    ...{ numLayers: 1, numKvHeads: NUM_KV_HEADS, headDim, maxSlots: 100 },
    ...{ typeK: "f32", typeV: "f32" },
  });
  cache.reserve([kept + tokens]);
  const [layer] = cache.layers;
  assert.ok(layer);
  const capacity = cache.slots[0]?.capacity ?? 0;
  const keys = randomFloats(NUM_KV_HEADS * capacity * headDim, 5);
  gpu.buffers.write(layer.keys, 0, keys);
  const ends = randomFloats(2 * pages * NUM_KV_HEADS * headDim, 7);
  const summary = new Uint16Array(ends.length);
  for (let i = 0; i < ends.length; i += 2) {
    const [a, b] = [at(ends, i), at(ends, i + 1)];
    summary[i] = halfBits(Math.min(a, b));
    summary[i + 1] = halfBits(Math.max(a, b));
  }
  const size = { numTokens: tokens, numPages: pages, kept, recalled, firstRank, rankSpan };
  await scorer.reserve(size);
  const found = await scorer.score(
    {
      qkv: uploadFloats(gpu, rows),
      cache: layer,
      bounds: gpu.buffers.upload("cache", summary),
      frequencies: gpu.buffers.upload("parameters", packFrequencies(invFreq)),
    },
    size,
  );

  const headOf = (values: ArrayLike<number>, row: number): Float64Array =>
    Float64Array.from({ length: headDim }, (_, d) => at(values, row * headDim + d));
  const summaryOf = (page: number, head: number): PageSummary => {
    const first = 2 * (page * NUM_KV_HEADS + head) * headDim;
    const end = (which: number): number[] =>
      Array.from({ length: headDim }, (_, d) =>
        at(HALF_VALUES, at(summary, first + 2 * d + which)),
      );
    return { low: end(0), high: end(1) };
  };
  const list = <T>(length: number, of: (i: number) => T): T[] =>
    Array.from({ length }, (_, i) => of(i));
  const part = (page: number): number => Math.floor((page * 8) / pages);
  const expected = pageScores({
    ...heads,
    scale: shape.scale,
    queries: list(tokens, (t) => list(numHeads, (h) => headOf(rows, (t * rowSize) / headDim + h))),
    keptKeys: list(NUM_KV_HEADS, (h) => list(kept, (s) => headOf(keys, h * capacity + s))),
    pages: list(pages, (page) => list(NUM_KV_HEADS, (h) => summaryOf(page, h))),
    ...(pairing && {
      moved: {
        table: { invFreq, attentionFactor: rope.attentionFactor },
        pairing,
        rankOf: (page) => firstRank + Math.floor((rankSpan * (2 * part(page) + 1)) / 16),
        recalled,
      },
    }),
  });
  for (const [head, scores] of expected.entries()) {
    const own = found[head] ?? new Float32Array();
    // Bounds of thousands are f32 numbers a thousandth apart, and so are the exponents.
    assertClose(own, scores, sharpness > 1 ? 2e-2 : 1e-4);
    const chosen = choosePages(own, 3, () => 1).map(({ page }) => page);
    const best = choosePages(scores, 3, () => 1).map(({ page }) => page);
    const sum = (choice: number[]): number => choice.reduce((a, page) => a + at(scores, page), 0);
    assert.ok(
      Math.abs(sum(chosen) - sum(best)) < (sharpness > 1 ? 2e-2 : 1e-4),
      `${chosen} for ${best}`,
    );
  }
  scorer.dispose();
  cache.dispose();
}

async function compareMerge(gpu: Gpu, groupSize: number): Promise<void> {
  const [headDim, tokens, length] = [8, 3, 41];
  const heads = { numHeads: groupSize * NUM_KV_HEADS, numKvHeads: NUM_KV_HEADS, headDim };
  const types = { keyType: "f32", valueType: "f32" } as const;
  const shape = { ...heads, ...types, scale: 1, window: 0 };
  const attention = await createAttention(gpu, shape);
  const rowSize = qkvSize(shape);
  const rows = randomFloats(length * rowSize, 11).map((x) => 2 * x);
  const cache = new KvCache(gpu, {
    ...{ numLayers: 1, numKvHeads: NUM_KV_HEADS, headDim, maxSlots: 100 },
    ...{ typeK: "f32", typeV: "f32" },
  });
  cache.reserve([length]);
  const [layer] = cache.layers;
  assert.ok(layer);
  const output = gpu.buffers.allocate({
    purpose: "activations",
    bytes: 4 * tokens * heads.numHeads * headDim,
  });
  const room = attention.partialBytes(length, length);
  const parts = {
    partial: gpu.buffers.allocate({ purpose: "activations", bytes: room.partial }),
    statistics: gpu.buffers.allocate({ purpose: "activations", bytes: room.statistics }),
  };
  const pass = (first: number, count: number) => {
    const step = createStepBuffer(gpu);
    writeStep(gpu, step, { numTokens: count, firstPosition: first, firstSlot: first });
    const qkv = uploadFloats(gpu, rows.subarray(first * rowSize, (first + count) * rowSize));
    return { qkv, cache: layer, output, step, ...parts };
  };
  const commands = new CommandList();
  attention.encodeStore(commands, pass(0, length - tokens), length - tokens);
  const question = pass(length - tokens, tokens);
  attention.encodeStore(commands, question, tokens);
  attention.encodePrefill(commands, question, tokens, length);
  run(gpu, commands);
  const found = await readFloats(gpu, output, tokens * heads.numHeads * headDim);

  for (const split of [1, 7, 20, length - tokens - 1])
    for (let token = 0; token < tokens; token++) {
      const seen = length - tokens + token + 1;
      const query = rows.subarray(
        (seen - 1) * rowSize,
        (seen - 1) * rowSize + heads.numHeads * headDim,
      );
      const over = (first: number, end: number) => {
        const take = (firstHead: number): Float32Array => {
          const taken = new Float32Array(NUM_KV_HEADS * (end - first) * headDim);
          for (let h = 0; h < NUM_KV_HEADS; h++)
            for (let slot = first; slot < end; slot++) {
              const from = slot * rowSize + (firstHead + h) * headDim;
              taken.set(
                rows.subarray(from, from + headDim),
                (h * (end - first) + slot - first) * headDim,
              );
            }
          return taken;
        };
        return referenceAttention({
          ...{ ...heads, queries: query, length: end - first, scale: 1, window: 0 },
          keys: take(heads.numHeads),
          values: take(heads.numHeads + NUM_KV_HEADS),
        });
      };
      const [keptPart, recalledPart] = [over(0, split), over(split, seen)];
      for (let head = 0; head < heads.numHeads; head++) {
        const of = (from: typeof keptPart) => ({
          output: from.output.subarray(head * headDim, (head + 1) * headDim),
          lse: at(from.lse, head),
        });
        const merged = mergeByLse(of(keptPart), of(recalledPart));
        const first = (token * heads.numHeads + head) * headDim;
        assertClose(found.subarray(first, first + headDim), merged, 1e-5);
      }
    }
  cache.dispose();
}
