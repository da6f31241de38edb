// What an eviction drops lies in pages, row for row, and the summaries on the GPU bound every score of a page's keys.

import assert from "node:assert/strict";
import { planCache } from "../../../../src/engine/cache/cachePlan.ts";
import { createEviction } from "../../../../src/engine/cache/createEviction.ts";
import { KvCache } from "../../../../src/engine/cache/kvCache.ts";
import { positionsIn } from "../../../../src/engine/cache/recall/choosePages.ts";
import { PageBounds } from "../../../../src/engine/cache/recall/pageBounds.ts";
import { openPageFile } from "../../../../src/engine/cache/recall/pageFile.ts";
import { PAGE_TOKENS, pageLayout } from "../../../../src/engine/cache/recall/pageLayout.ts";
import { PageStore } from "../../../../src/engine/cache/recall/pageStore.ts";
import { createSpill } from "../../../../src/engine/cache/recall/spill.ts";
import { type CacheTypeId, rowBytes } from "../../../../src/engine/cache/types.ts";
import { CommandList } from "../../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../../src/engine/gpu/device.ts";
import { createAttention } from "../../../../src/engine/model/operations/attention.ts";
import { qkvSize } from "../../../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../../../src/engine/model/step.ts";
import { HALF_VALUES, halfBits } from "../../../../src/engine/model/weightFormats/float16.ts";
import { throughCache } from "../../../reference/cacheTypes.ts";
import { at } from "../../../reference/operations.ts";
import { run, uploadFloats, useGpu } from "../../../support/gpu.ts";
import { random, randomFloats } from "../../../support/random.ts";

interface Case {
  readonly policy: string;
  readonly headDim: number;
  readonly type: CacheTypeId;
  /** Of the keys: how far apart large and small dimensions are. */
  readonly spread: number;
}

const NUM_KV_HEADS = 2;
const NUM_HEADS = 4;
const INTERVAL = 70;
const BUDGET = 41;
const TOKENS = 3 * INTERVAL;

const cases: Case[] = [
  { policy: "streaming-llm", headDim: 8, type: "f32", spread: 1 },
  { policy: "key-norm", headDim: 8, type: "f32", spread: 1000 },
  { policy: "key-norm", headDim: 64, type: "f16", spread: 1 },
  { policy: "key-diff", headDim: 32, type: "q8_0", spread: 30 },
  { policy: "key-norm", headDim: 160, type: "q4_0", spread: 1 },
];

describe("evicted tokens", function () {
  this.timeout(300_000);
  const gpu = useGpu();
  for (const test of cases)
    it(`come into pages as they were: ${test.policy}, ${test.type}, heads of ${test.headDim}`, () =>
      compare(gpu(), test));
});

async function compare(gpu: Gpu, { policy, headDim, type, spread }: Case): Promise<void> {
  const heads = { numHeads: NUM_HEADS, numKvHeads: NUM_KV_HEADS, headDim };
  const shape = { ...heads, scale: 1, window: 0, keyType: type, valueType: type };
  const settings = { cachePolicy: policy, cacheBudget: BUDGET, positionScheme: "original" };
  const plan = planCache(settings, { layers: [{}] }, INTERVAL);
  assert.ok(plan);
  const types = { typeK: type, typeV: type };
  const cache = new KvCache(gpu, { numLayers: 1, ...heads, ...types, maxSlots: 1000, plan });
  const attention = await createAttention(gpu, shape);
  const eviction = await createEviction(gpu, plan, { shape, chunkLength: INTERVAL });
  const layout = pageLayout(shape);
  const store = new PageStore(layout, {
    numLayers: 1,
    limitBytes: 1e9,
    openFile: () => openPageFile(),
  });
  const bounds = new PageBounds(gpu, { ...heads, numLayers: 1 });
  const spill = await createSpill(gpu, { shape, bounds, store });
  cache.reserve(cache.slotsFor(TOKENS, 0));
  eviction.reserve(cache);
  const [layer] = cache.layers;
  assert.ok(layer?.positions);
  const rowSize = qkvSize(shape);
  const rows = randomFloats(TOKENS * rowSize, headDim).map((value, i) =>
    i % headDim === 3 ? value * spread : value,
  );

  let held = Array.from({ length: NUM_KV_HEADS }, (): number[] => []);
  let page = 0;
  for (let first = 0; first < TOKENS; first += INTERVAL) {
    const step = createStepBuffer(gpu);
    writeStep(gpu, step, { numTokens: INTERVAL, firstPosition: 0, firstSlot: cache.length });
    const qkv = uploadFloats(gpu, rows.subarray(first * rowSize, (first + INTERVAL) * rowSize));
    const output = gpu.buffers.allocate({ purpose: "activations", bytes: 16 });
    const buffers = { qkv, cache: layer, output, step, partial: output, statistics: output };
    const storing = new CommandList();
    attention.encodeStore(storing, buffers, INTERVAL);
    run(gpu, storing);
    const tokens = Array.from({ length: INTERVAL }, (_, i) => first + i);
    cache.append(tokens);
    held = held.map((slots) => [...slots, ...tokens]);
    const keys: Uint8Array = new Uint8Array(await gpu.read(layer.keys));
    const values: Uint8Array = new Uint8Array(await gpu.read(layer.values));

    await eviction.evict(cache, {
      beginSpill: (_, due) => spill.begin(cache, due),
      encodeSpill: (commands, evicted) => spill.encode(commands, evicted),
      endSpill: () => spill.end(),
    });
    await spill.settled();

    const kept: Uint32Array = new Uint32Array(await gpu.read(layer.positions));
    const summaries = new Uint16Array(await gpu.read(bounds.of(0)));
    const firstPage = page;
    for (const [head, slots] of held.entries()) {
      const start = cache.slots[0]?.firstRows[head] ?? 0;
      const stays = new Set(kept.subarray(start, start + BUDGET));
      const dropped = slots
        .map((token, slot) => ({ token, slot }))
        .filter((s) => !stays.has(s.token));
      assert.equal(dropped.length, slots.length - BUDGET);
      page = firstPage;
      for (let i = 0; i < dropped.length; i += PAGE_TOKENS, page++) {
        const own = dropped.slice(i, i + PAGE_TOKENS);
        assert.equal(store.tokensIn(0, page), own.length);
        const pages: Uint8Array = await store.read(0, page);
        const record = pages.subarray(head * layout.recordBytes, (head + 1) * layout.recordBytes);
        assert.deepEqual(
          [...positionsIn(record, layout.positionsAt, own.length)],
          own.map(({ token }) => token),
        );
        for (const [j, { slot }] of own.entries()) {
          const bytes = rowBytes(type, headDim);
          const from = (start + slot) * bytes;
          const here = (offset: number) =>
            record.subarray(offset + j * bytes, offset + (j + 1) * bytes);
          assert.deepEqual(here(0), keys.subarray(from, from + bytes));
          assert.deepEqual(here(layout.valuesAt), values.subarray(from, from + bytes));
        }
        const pageKeys = own.map(({ token }) => {
          const from = token * rowSize + (NUM_HEADS + head) * headDim;
          const row = rows.subarray(from, from + headDim);
          return type === "f16"
            ? row.map((x) => at(HALF_VALUES, halfBits(x)))
            : throughCache(type, row);
        });
        const place = (page * NUM_KV_HEADS + head) * headDim * 2;
        assertBounds(pageKeys, summaries.subarray(place, place + 2 * headDim), page);
      }
      held[head] = [...kept.subarray(start, start + BUDGET)];
    }
  }
  for (const part of [spill, bounds, store, eviction, cache]) part.dispose();
}

/** Quest's bound: Σ max(q·low, q·high) is never below q·k for any key of the page, and not far above it for axes. */
function assertBounds(keys: readonly Float32Array[], summary: Uint16Array, seed: number): void {
  const size = summary.length / 2;
  const low = Array.from({ length: size }, (_, d) => at(HALF_VALUES, at(summary, 2 * d)));
  const high = Array.from({ length: size }, (_, d) => at(HALF_VALUES, at(summary, 2 * d + 1)));
  const next = random(seed + 1);
  for (let round = 0; round < 30; round++) {
    const axis = round - 10;
    const query = Float64Array.from({ length: size }, (_, d) => {
      if (round < 10) return 4 * next() - 2;
      return d === axis % size ? (round % 2 ? 1 : -1) : 0;
    });
    const scores = keys.map((key) => key.reduce((sum, k, d) => sum + k * at(query, d), 0));
    const largest = Math.max(...scores);
    const bound = query.reduce((sum, q, d) => sum + Math.max(q * at(low, d), q * at(high, d)), 0);
    assert.ok(bound >= largest, `bound ${bound} is below ${largest}`);
    if (round >= 10) assert.ok(bound - largest <= 0.006 * Math.abs(largest) + 1e-5);
  }
}
