// Every cache allocation: how a budget is shared out among layers and heads, against sorting on the CPU.

import assert from "node:assert/strict";
import {
  type CacheAllocationId,
  cacheAllocations,
} from "../../../src/engine/cache/allocations/index.ts";
import { planCache } from "../../../src/engine/cache/cachePlan.ts";
import { createEviction } from "../../../src/engine/cache/createEviction.ts";
import { KvCache } from "../../../src/engine/cache/kvCache.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { withoutOptionalFeatures } from "../../../src/engine/gpu/capabilities.ts";
import type { Gpu } from "../../../src/engine/gpu/device.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { keptByAllocation } from "../../reference/cacheAllocations.ts";
import { at } from "../../reference/operations.ts";
import { useGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";

const NUM_LAYERS = 3;
const NUM_KV_HEADS = 2;
const HEAD_DIM = 4;
const BUDGET = 40;
const SINKS = 2;
const RECENT = 3;
// Registry keys are ids.
const ids = Object.keys(cacheAllocations) as CacheAllocationId[];

describe("cache allocations", () => {
  for (const [id, { description, layerBudgets }] of Object.entries(cacheAllocations)) {
    it(`${id} shares out the budget: its layers' mean is the budget, none has less than it needs`, () => {
      for (const budget of [8, 41, 4096])
        for (const numLayers of [1, 2, 7, 32]) {
          const budgets = layerBudgets({ budget, least: 5, numLayers });
          const mean = budgets.reduce((sum, own) => sum + own, 0) / numLayers;
          assert.equal(budgets.length, numLayers);
          assert.ok(Math.abs(mean - budget) <= 0.5, `${budgets} of ${budget}`);
          assert.ok(Math.min(...budgets) >= 5);
        }
      assert.match(description, /^(gives|lets) .*[^.]$/);
    });
  }

  it("pyramid's layers are PyramidKV's: half of 4,096 tokens over 32 layers", () => {
    const budgets = cacheAllocations.pyramid.layerBudgets({
      budget: 2048,
      least: 64,
      numLayers: 32,
    });
    assert.deepEqual(
      [0, 1, 15, 31].map((layer) => budgets[layer]),
      [3994, 3868, 2111, 102],
    );
  });

  it("leave layers with a sliding window their window", () => {
    const layers = [{ slidingWindow: 16 }, {}, { slidingWindow: 16 }, {}];
    const settings = { cachePolicy: "h2o", cacheBudget: 100, cacheAllocation: "pyramid" };
    const plan = planCache(settings, { layers }, 64);
    const window = { budget: 16, sinks: 0, recent: 16, isLocal: true };
    assert.deepEqual([plan?.layers[0], plan?.layers[2]], [window, window]);
    assert.deepEqual([plan?.layers[1]?.budget, plan?.layers[3]?.budget], [195, 5]);
  });

  it("refuse what has no scores of each head's own, and a policy that keeps all", () => {
    const refused = (settings: ModelSettings, message: RegExp) =>
      assert.throws(
        () => planCache(settings, { layers: [{}] }, 64),
        (error) => error instanceof UserError && message.test(error.message),
      );
    for (const cachePolicy of ["streaming-llm", "tova"])
      refused({ cachePolicy, cacheAllocation: "head-adaptive" }, /head-adaptive .* compete/);
    refused({ cacheAllocation: "pyramid" }, /full keeps every token and has no cacheAllocation/);
    refused({ cachePolicy: "h2o", cacheAllocation: "cone" }, /"cone": choose uniform, pyramid/);
  });
});

describe("evictions under an allocation", () => {
  suite(useGpu());
});
describe("evictions under an allocation, without f16 and subgroups", () => {
  suite(useGpu({ restrict: withoutOptionalFeatures }));
});

function suite(gpu: () => Gpu): void {
  for (const id of ids)
    for (const kind of ["random", "equal", "uneven"] as const)
      it(`${id} keeps what sorting says, keys ${kind}`, () => compareEvictions(gpu(), id, kind));
}

/** Tokens are read without attention: the policy goes by the lengths of keys alone. */
async function compareEvictions(
  gpu: Gpu,
  id: CacheAllocationId,
  kind: "random" | "equal" | "uneven",
): Promise<void> {
  const heads = { numKvHeads: NUM_KV_HEADS, headDim: HEAD_DIM };
  const bounds = { cacheBudget: BUDGET, cacheSinks: SINKS, cacheRecent: RECENT };
  const settings = { cachePolicy: "key-norm", cacheAllocation: id, ...bounds };
  const plan = planCache(settings, { layers: Array(NUM_LAYERS).fill({}) }, 50);
  assert.ok(plan);
  const types = { typeK: "f32", typeV: "f32" } as const;
  const cache = new KvCache(gpu, {
    numLayers: NUM_LAYERS,
    ...heads,
    ...types,
    maxSlots: 500,
    plan,
  });
  const shape = { numHeads: NUM_KV_HEADS, ...heads, scale: 1, window: 0 };
  const keyTypes = { keyType: "f32", valueType: "f32" } as const;
  const eviction = await createEviction(gpu, plan, {
    shape: { ...shape, ...keyTypes },
    chunkLength: 50,
  });
  cache.reserve(cache.slotsFor(200, 0));
  eviction.reserve(cache);
  const rowsBefore = cache.slots.reduce((sum, { rows }) => sum + rows, 0);

  /** The key of a token in a head: its length is its score. */
  const keyOf = (layer: number, head: number, token: number): Float32Array => {
    if (kind === "equal") return Float32Array.of(1, 0, 0, 0);
    const scale = kind === "uneven" ? 1 + 3 * layer + 5 * head : 1;
    return randomFloats(HEAD_DIM, 1 + token + 1000 * head + 10_000 * layer).map((x) => x * scale);
  };
  const held = Array.from({ length: NUM_LAYERS }, () => heldBy(NUM_KV_HEADS));
  for (const [first, end] of [
    [0, 50],
    [50, 100],
    [100, 130],
  ] as const) {
    for (const [layer, { firstRows, lengths }] of cache.slots.entries())
      for (const [head, firstRow] of firstRows.entries())
        for (let token = first; token < end; token++) {
          const row = firstRow + at(lengths, head) + token - first;
          const buffer = cache.layers[layer]?.keys;
          assert.ok(buffer);
          gpu.buffers.write(buffer, 4 * HEAD_DIM * row, keyOf(layer, head, token));
          held[layer]?.[head]?.push(token);
        }
    cache.append(Array.from({ length: end - first }, (_, i) => first + i));
    const scores = held.map((layer, l) =>
      layer.map((tokens, h) => tokens.map((token) => -norm(keyOf(l, h, token)))),
    );
    const { relaid } = await eviction.evict(cache);
    if (relaid) {
      await gpu.kernels.forgetBindings();
      eviction.reserve(cache);
    }
    const expected = keptByAllocation(scores, plan.layers, plan.allocation);
    for (const [layer, kept] of expected.entries())
      for (const [head, slots] of kept.entries()) {
        const tokens = slots.map((slot) => at(at(at(held, layer), head), slot));
        const found = await readHead(gpu, cache, { layer, head });
        assert.deepEqual(found.tokens, tokens, `layer ${layer}, head ${head}, ${end} tokens`);
        const keys = tokens.flatMap((token) => [...keyOf(layer, head, token)]);
        assert.deepEqual(found.keys, keys);
        at(held, layer)[head] = tokens;
      }
    const mean = cache.stats().tokensKept;
    assert.ok(mean <= BUDGET + 1 && mean >= BUDGET * 0.7, `${mean} kept of ${BUDGET}`);
    const rows = cache.slots.reduce((sum, slots) => sum + slots.rows, 0);
    assert.ok(rows <= rowsBefore, "evictions take no more memory");
  }
  eviction.dispose();
  cache.dispose();
}

async function readHead(
  gpu: Gpu,
  cache: KvCache,
  { layer, head }: { layer: number; head: number },
): Promise<{ tokens: number[]; keys: number[] }> {
  const [buffers, slots] = [at(cache.layers, layer), at(cache.slots, layer)];
  const [first, length] = [at(slots.firstRows, head), at(slots.lengths, head)];
  assert.ok(buffers.positions);
  const listed = new Uint32Array(await gpu.read(buffers.positions, 4 * first, 4 * length));
  // Tokens read since the layer's last eviction are in order, and not listed.
  const numListed = length - (cache.tokensRead - slots.listedTokens);
  const tokens = listed.map((token, slot) =>
    slot < numListed ? token : cache.tokensRead - length + slot,
  );
  const row = 4 * HEAD_DIM;
  const keys = new Float32Array(await gpu.read(buffers.keys, row * first, row * length));
  return { tokens: [...tokens], keys: [...keys] };
}

function heldBy(numHeads: number): number[][] {
  return Array.from({ length: numHeads }, () => []);
}

function norm(key: Float32Array): number {
  return Math.hypot(...key);
}
