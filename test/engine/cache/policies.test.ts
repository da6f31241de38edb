// Every cache policy against dense attention on the CPU: a stream of random or adversarial queries, keys and values goes
// through one layer's cache in chunks, and the tokens each head keeps are compared behind every eviction.

import assert from "node:assert/strict";
import type { CacheAllocationId } from "../../../src/engine/cache/allocations/index.ts";
import { planCache } from "../../../src/engine/cache/cachePlan.ts";
import { createEviction } from "../../../src/engine/cache/createEviction.ts";
import { KvCache } from "../../../src/engine/cache/kvCache.ts";
import { type CachePolicyId, cachePolicies } from "../../../src/engine/cache/policies/index.ts";
import type { CachePolicy } from "../../../src/engine/cache/policies/policy.ts";
import { withoutOptionalFeatures } from "../../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../../src/engine/gpu/device.ts";
import { createAttention } from "../../../src/engine/model/operations/attention.ts";
import { qkvSize } from "../../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../../src/engine/model/step.ts";
import { keptByAllocation } from "../../reference/cacheAllocations.ts";
import { keptSlots, ReferenceHead, type Stream } from "../../reference/cachePolicies.ts";
import { at } from "../../reference/operations.ts";
import { assertClose } from "../../support/close.ts";
import { run, uploadFloats, useGpu } from "../../support/gpu.ts";
import { randomFloats } from "../../support/random.ts";
import { repeatRandomly } from "./support/repeatRandomly.ts";

interface Case {
  readonly groupSize: number;
  readonly kind: "random" | "sharp" | "equal keys" | "zeros";
  readonly stride?: number;
  readonly allocation?: CacheAllocationId;
}

const NUM_KV_HEADS = 2;
const HEAD_DIM = 8;
const TOKENS = 150;
const INTERVAL = 40;
/** Tokens of a repeat, for policies that look at one. */
const REPEATED = 52;
const SETTINGS = { cacheBudget: 48, cacheSinks: 3, cacheRecent: 10 };
/** Passes between evictions, as a slow adapter would take them. */
const PASSES = [16, 7, 17];
// Registry keys are ids.
const evicting = Object.entries(cachePolicies).filter(([, policy]) => policy.evicts) as [
  CachePolicyId,
  CachePolicy,
][];
/** Where heads have scores of their own. */
const competing: readonly Case[] = [
  { groupSize: 4, kind: "random", allocation: "head-adaptive" },
  { groupSize: 1, kind: "zeros", allocation: "head-adaptive" },
];
/** Scores closer than this may be ranked either way. */
const TIE = 1e-5;

describe("cache policies", () => {
  const gpu = useGpu();
  for (const [id, policy] of evicting) {
    suite(gpu, id, [
      { groupSize: 1, kind: "random" },
      { groupSize: 4, kind: "random" },
      { groupSize: 8, kind: "sharp" },
      { groupSize: 1, kind: "equal keys" },
      { groupSize: 1, kind: "zeros" },
      { groupSize: 4, kind: "random", stride: 4 },
      ...(policy.scoreKernels && !policy.scoresHeadsAlike ? competing : []),
    ]);
    it(`${id} says in one sentence what it keeps`, () => {
      assert.match(policy.description, /^keeps .*[^.]$/);
    });
  }

  it("rank equal scores by place: the earlier tokens stay", () => {
    const plan = { budget: 6, sinks: 1, recent: 2 };
    assert.deepEqual(keptSlots([5, 1, 1, 1, 1, 1, 1, 1], plan), [0, 1, 2, 3, 6, 7]);
  });
});

describe("cache policies, without f16 and subgroups", () => {
  const gpu = useGpu({ restrict: withoutOptionalFeatures });
  // Only the kernels that record attention are others there.
  suite(gpu, "h2o", [{ groupSize: 8, kind: "sharp", stride: 3 }]);
  suite(gpu, "kvzip", [{ groupSize: 4, kind: "random" }]);
});

function suite(gpu: () => Gpu, id: CachePolicyId, cases: readonly Case[]): void {
  for (const test of cases)
    it(`${id} keeps what dense attention says: ${describeCase(test)}`, () =>
      compareStream(gpu(), id, test));
}

function describeCase({ kind, groupSize, stride, allocation }: Case): string {
  const sample = stride ? `, every ${stride}th query` : "";
  return `${kind}, group of ${groupSize}${sample}${allocation ? `, ${allocation}` : ""}`;
}

async function compareStream(gpu: Gpu, id: CachePolicyId, test: Case): Promise<void> {
  const shape = {
    numHeads: test.groupSize * NUM_KV_HEADS,
    numKvHeads: NUM_KV_HEADS,
    headDim: HEAD_DIM,
    scale: 1 / Math.sqrt(HEAD_DIM),
    window: 0,
    keyType: "f32",
    valueType: "f32",
  } as const;
  // Positions are RoPE's business, which is not part of this layer.
  const { stride = 1 } = test;
  const settings = {
    ...SETTINGS,
    cachePolicy: id,
    cacheQueryStride: stride,
    positionScheme: "original",
    ...(test.allocation && { cacheAllocation: test.allocation }),
  };
  const plan = planCache(settings, { layers: [{}] }, INTERVAL);
  assert.ok(plan);
  const rows = rowsOf(test, qkvSize(shape));
  const stream = split(rows, shape);
  const cache = new KvCache(gpu, {
    numLayers: 1,
    numKvHeads: NUM_KV_HEADS,
    headDim: HEAD_DIM,
    typeK: "f32",
    typeV: "f32",
    maxSlots: 1000,
    repeatSlots: REPEATED,
    plan,
  });
  const queries = plan.policy.records?.queries;
  const lse = queries === "all" || typeof queries === "number" ? "all" : "none";
  const norms = randomFloats(2 * HEAD_DIM, 3);
  const qkNorms = uploadFloats(gpu, norms);
  const expected = { norms, sinks: plan.sinks, rope: ropeOf(test) };
  const attention = await createAttention(gpu, { ...shape, lse });
  const eviction = await createEviction(gpu, plan, {
    ...{ shape, chunkLength: INTERVAL },
    rope: expected.rope,
  });
  cache.reserve(cache.slotsFor(TOKENS, 0));
  eviction.reserve(cache);
  const heads = Array.from(
    { length: NUM_KV_HEADS },
    (_, h) => new ReferenceHead(stream, { ...shape, expected }, h),
  );
  let held: number[][] = heads.map(() => []);

  for (let begin = 0; begin < TOKENS; ) {
    const end = Math.min(begin + INTERVAL, TOKENS);
    let first = begin;
    for (const size of PASSES) {
      const tokens = Math.min(size, end - first);
      if (tokens <= 0) break;
      const left = end - first - tokens;
      const { length } = cache;
      const [layer] = cache.layers;
      const longest = cache.slots[0]?.longest ?? 0;
      assert.ok(layer);
      const step = createStepBuffer(gpu);
      writeStep(gpu, step, { numTokens: tokens, firstPosition: first, firstSlot: length });
      const qkv = uploadFloats(
        gpu,
        rows.subarray(first * qkvSize(shape), (first + tokens) * qkvSize(shape)),
      );
      const bytes = 4 * tokens * shape.numHeads * HEAD_DIM;
      const output = gpu.buffers.allocate({ purpose: "activations", bytes });
      const room = attention.partialBytes(longest + tokens, tokens);
      const allocate = (bytes: number) => gpu.buffers.allocate({ purpose: "activations", bytes });
      const parts = {
        partial: allocate(room.partial),
        statistics: allocate(room.statistics),
        lse: eviction.lse,
      };
      const buffers = { qkv, cache: layer, output, step, ...parts };
      const commands = new CommandList();
      attention.encodeStore(commands, buffers, tokens);
      attention.encodePrefill(commands, buffers, tokens, longest + tokens);
      const sample = eviction.samples.ofPass(tokens, { since: first - begin, left, length });
      if (sample !== undefined) {
        eviction.writeSample(sample);
        eviction.encodeQueries(commands, { ...buffers, norms: qkNorms }, { layer: 0, tokens });
        eviction.encodeRecord(commands, buffers, longest + tokens);
      }
      run(gpu, commands);
      cache.append(Array.from({ length: tokens }, (_, i) => first + i));
      first += tokens;
    }
    held = held.map((slots) => [...slots, ...range(begin, end)]);
    for (const [h, head] of heads.entries()) head.record(begin, end, at2(held, h), stride);
    if (queries === "repeat" && eviction.willRank(cache)) {
      const random = rowsOf({ ...test, tokens: REPEATED }, qkvSize(shape));
      const parts = { cache, eviction, shape, rows: random, tokensAtOnce: 30 };
      for (const piece of await repeatRandomly(gpu, parts))
        for (const [h, head] of heads.entries()) {
          const slots = at2(held, h);
          const surplus = slots.length - cache.length;
          const [first, end] = [piece.first > 0 ? piece.first + surplus : 0, piece.end + surplus];
          const { sinks } = plan;
          head.repeat(split(random, shape), slots, {
            first,
            end,
            sinks: Math.min(sinks, piece.first),
          });
        }
    }
    const { moved, relaid } = await eviction.evict(cache);
    if (relaid) {
      await gpu.kernels.forgetBindings();
      eviction.reserve(cache);
    }
    if (moved.includes(true)) {
      const kept = await readKept(gpu, cache);
      const all = heads.map((head, h) => head.scores(id, at2(held, h), begin, end));
      const scores = id === "tova" ? all.map(() => meanOf(all)) : all;
      const expected = at2(keptByAllocation([scores], plan.layers, plan.allocation), 0);
      const numKept = kept.reduce((sum, tokens) => sum + tokens.length, 0);
      assert.equal(numKept, NUM_KV_HEADS * plan.budget);
      const sets = held.map((slots, h) => ({
        kept: at2(kept, h),
        expected: at2(expected, h).map((i) => at(slots, i)),
        scores: new Map(slots.map((s, i) => [s, at(at2(scores, h), i)])),
      }));
      // Where heads compete, a tie may be settled for another head.
      if (plan.allocation.among !== "head") assertSameSets(sets);
      else for (const set of sets) assertSameSets([set]);
      // The reference goes on from what the GPU kept: ties ranked otherwise are no error of what follows.
      held = kept;
      await assertRows(gpu, { cache, stream, kept });
    }
    begin = end;
  }
  eviction.dispose();
  cache.dispose();
}

/** RoPE that only expected attention looks at: the queries of this layer are used as they are. */
function ropeOf({ groupSize }: Case) {
  const invFreq = Float64Array.of(1, 0.01, 0.0001);
  return {
    ...{ ropeDim: 6, attentionFactor: 1.2, invFreq, epsilon: 1e-5, movesKeys: false },
    pairing: groupSize === 1 ? "interleaved" : "half",
    hasQkNorm: groupSize === 4,
  } as const;
}

interface KeptSet {
  readonly kept: readonly number[];
  readonly expected: readonly number[];
  readonly scores: ReadonlyMap<number, number>;
}

/** Same tokens of all heads together, each head's in ascending order, but for scores too close to rank. */
function assertSameSets(sets: readonly KeptSet[]): void {
  const swapped = sets.map(({ kept, expected, scores }) => {
    assert.deepEqual(
      kept,
      [...kept].sort((a, b) => a - b),
    );
    const named = (token: number) => ({ token, score: scores.get(token) ?? Number.NaN });
    return {
      extra: kept.filter((token) => !expected.includes(token)).map(named),
      missing: expected.filter((token) => !kept.includes(token)).map(named),
    };
  });
  const extra = swapped.flatMap((set) => set.extra);
  const missing = swapped.flatMap((set) => set.missing);
  assert.equal(extra.length, missing.length);
  for (const one of extra)
    for (const other of missing)
      assert.ok(
        Math.abs(one.score - other.score) <= TIE * (1 + Math.abs(other.score)),
        `kept token ${one.token} (${one.score}) instead of ${other.token} (${other.score})`,
      );
}

/** Keys and values lie in the slots their tokens moved to. */
async function assertRows(
  gpu: Gpu,
  { cache, stream, kept }: { cache: KvCache; stream: Stream; kept: readonly number[][] },
): Promise<void> {
  const [layer] = cache.layers;
  const [slots] = cache.slots;
  assert.ok(layer && slots);
  for (const [buffer, source] of [
    [layer.keys, stream.keys],
    [layer.values, stream.values],
  ] as const) {
    const all = new Float32Array(await gpu.read(buffer));
    for (const [h, tokens] of kept.entries()) {
      const start = at(slots.firstRows, h) * HEAD_DIM;
      const actual = all.subarray(start, start + tokens.length * HEAD_DIM);
      const expected = tokens.flatMap((token) => {
        const row = (token * NUM_KV_HEADS + h) * HEAD_DIM;
        return [...source.subarray(row, row + HEAD_DIM)];
      });
      assertClose(actual, expected, 0);
    }
  }
}

async function readKept(gpu: Gpu, cache: KvCache): Promise<number[][]> {
  const positions = cache.layers[0]?.positions;
  const [slots] = cache.slots;
  assert.ok(positions && slots);
  const all = new Uint32Array(await gpu.read(positions));
  return slots.lengths.map((length, h) => {
    const first = at(slots.firstRows, h);
    return [...all.subarray(first, first + length)];
  });
}

function rowsOf(
  { kind, groupSize, tokens = TOKENS }: Case & { readonly tokens?: number },
  rowSize: number,
): Float32Array {
  const rows = randomFloats(tokens * rowSize, 7 + groupSize + TOKENS - tokens);
  const queries = groupSize * NUM_KV_HEADS * HEAD_DIM;
  return rows.map((value, i) => {
    const column = i % rowSize;
    if (column < queries) return kind === "sharp" ? value * 10_000 : value;
    switch (kind) {
      case "equal keys":
        return column % HEAD_DIM === 0 ? 1 : 0.25;
      case "zeros":
        return Math.floor(i / rowSize) % 3 === 0 ? 0 : value;
      default:
        return value;
    }
  });
}

function split(
  rows: Float32Array,
  shape: { numHeads: number; numKvHeads: number; headDim: number },
): Stream {
  const rowSize = qkvSize(shape);
  const part = (first: number, count: number): Float32Array =>
    Float32Array.from(
      { length: (rows.length / rowSize) * count * HEAD_DIM },
      (_, i) =>
        rows[
          Math.floor(i / (count * HEAD_DIM)) * rowSize + first * HEAD_DIM + (i % (count * HEAD_DIM))
        ] ?? 0,
    );
  const { numHeads, numKvHeads } = shape;
  return {
    queries: part(0, numHeads),
    keys: part(numHeads, numKvHeads),
    values: part(numHeads + numKvHeads, numKvHeads),
  };
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}

function meanOf(rows: readonly (readonly number[])[]): number[] {
  const [first = []] = rows;
  return first.map((_, i) => rows.reduce((sum, row) => sum + at(row, i), 0) / rows.length);
}

function at2<T>(rows: readonly T[], index: number): T {
  const row = rows[index];
  if (row === undefined) throw new RangeError(`row ${index} of ${rows.length}`);
  return row;
}
