// The reference of cache policies beside kvpress, NVIDIA's collection: cachePolicies.golden.py made the scores, in 32 bits. Kernels
// are held against this reference in test/engine/cache/policies.test.ts. Where definitions differ:
// - snapkv: kvpress takes the mean over the window's queries, we their sum, which ranks alike. It smooths only the slots in front of
//   the window, as if nothing stood behind them, and gives those of the window more than any other; we smooth over all slots and keep
//   a recent window whatever its scores, since an eviction may come where the window is shorter than what is recent. So the last
//   POOL / 2 slots in front of the window differ.
// - tova: the last token's own slot is the recent window's, too.
// - expected-attention: kvpress's sinks get more than any other; ours are kept whatever their scores.
// - key-norm, key-diff, observed-attention: none.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { planCache } from "../../src/engine/cache/cachePlan.ts";
import type { CachePolicyId } from "../../src/engine/cache/policies/index.ts";
import { ropeScalings } from "../../src/engine/model/rope/index.ts";
import { assertClose } from "../support/close.ts";
import { keptSlots, ReferenceHead } from "./cachePolicies.ts";

interface Golden {
  readonly shape: {
    readonly tokens: number;
    readonly numHeads: number;
    readonly numKvHeads: number;
    readonly headDim: number;
  };
  readonly ropeTheta: number;
  readonly sixteenths: Readonly<Record<"queries" | "keys" | "values", readonly number[]>>;
  readonly streamingLlmKept: readonly number[];
  /** [KV heads][tokens] */
  readonly scores: Readonly<Record<string, readonly (readonly number[])[]>>;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL("cachePolicies.golden.json", import.meta.url), "utf8"),
);
const { tokens, numHeads, numKvHeads, headDim } = golden.shape;
const SINKS = 4;
const WINDOW = 64;
const HALF_POOL = 2;

/** Slots whose scores mean the same in both, and what ours are multiplied by. */
const compared: Partial<Record<CachePolicyId, { from: number; end: number; scale: number }>> = {
  snapkv: { from: 0, end: tokens - WINDOW - HALF_POOL, scale: 1 / WINDOW },
  tova: { from: 0, end: tokens - 1, scale: 1 },
  "key-norm": { from: 0, end: tokens, scale: 1 },
  "key-diff": { from: 0, end: tokens, scale: 1 },
  "observed-attention": { from: 0, end: tokens, scale: 1 },
  "expected-attention": { from: SINKS, end: tokens, scale: 1 },
};

describe("the reference of cache policies, beside kvpress", () => {
  const heads = Array.from({ length: numKvHeads }, (_, head) => referenceHead(head));
  const slots = Array.from({ length: tokens }, (_, token) => token);
  for (const head of heads) head.record(0, tokens, slots, 1);

  it("is compared in every score that kvpress gave", () => {
    assert.deepEqual(Object.keys(golden.scores).sort(), Object.keys(compared).sort());
  });

  // Registry keys are ids.
  for (const [id, { from, end, scale }] of Object.entries(compared) as [
    CachePolicyId,
    { from: number; end: number; scale: number },
  ][])
    it(`${id} scores alike`, () => {
      assert.ok(end - from >= 12);
      const all = heads.map((head) => head.scores(id, slots, 0, tokens));
      // A policy that scores all heads alike takes their mean.
      const mean = slots.map(
        (slot) => all.reduce((sum, row) => sum + (row[slot] ?? 0), 0) / numKvHeads,
      );
      for (const [h, expected] of (golden.scores[id] ?? []).entries()) {
        const own = (id === "tova" ? mean : all[h]) ?? [];
        assertClose(
          own.slice(from, end).map((score) => score * scale),
          expected.slice(from, end),
          2e-6,
        );
      }
    });

  it("streaming-llm keeps the same slots", () => {
    const kept = golden.streamingLlmKept;
    const settings = { cachePolicy: "streaming-llm", cacheBudget: kept.length, cacheSinks: SINKS };
    const plan = planCache(settings, { layers: [{}] }, tokens);
    assert.ok(plan);
    assert.deepEqual(keptSlots(slots, plan), kept);
  });
});

function referenceHead(head: number): ReferenceHead {
  const part = (name: keyof Golden["sixteenths"]): Float32Array =>
    Float32Array.from(golden.sixteenths[name], (value) => value / 16);
  const plain = { dimension: headDim, theta: golden.ropeTheta, originalContextLength: 2048 };
  const { invFreq } = ropeScalings.none.frequencies(
    { ...plain, pairing: "half", scaling: { type: "none", factor: 1 } },
    { contextLength: tokens },
  );
  const rope = { ropeDim: headDim, pairing: "half", attentionFactor: 1, invFreq } as const;
  return new ReferenceHead(
    { queries: part("queries"), keys: part("keys"), values: part("values") },
    {
      ...{ numHeads, numKvHeads, headDim, scale: headDim ** -0.5 },
      expected: {
        rope: { ...rope, hasQkNorm: false, epsilon: 1 },
        norms: new Float32Array(headDim),
        sinks: SINKS,
      },
    },
    head,
  );
}
