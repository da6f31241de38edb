// Generated tokens as queries of policies that look at queries: what is recorded, beside a plain reference, and what is kept, beside
// a run that read the same tokens instead of generating them.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { CacheKeeper } from "../../../src/engine/cache/cacheKeeper.ts";
import { SnapshotStore } from "../../../src/engine/cache/snapshotStore.ts";
import { withoutOptionalFeatures } from "../../../src/engine/gpu/capabilities.ts";
import type { GpuOptions } from "../../../src/engine/gpu/device.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { loadReferenceModel, referenceNll } from "../../reference/decoder.ts";
import { assertClose } from "../../support/close.ts";
import { randomPrompt } from "../../support/randomModel.ts";
import { useRandomModels } from "../../support/randomModels.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { factsOf } from "./support/savedCaches.ts";

const H2O = {
  ...{ cacheTypeK: "f32", cacheTypeV: "f32", chunkLength: 32 },
  ...{ cachePolicy: "h2o", positionScheme: "original", contextLength: 1024 },
};

describe("generated tokens as queries of a policy", function () {
  this.timeout(300_000);
  suite({});
});
describe("generated tokens as queries of a policy, without f16 and subgroups", function () {
  this.timeout(300_000);
  suite({ restrict: withoutOptionalFeatures });
});

function suite(options: GpuOptions): void {
  const folder = useTemporaryFolder();
  const { loadKept } = useRandomModels(folder, { architecture: "llama", format: "f32" }, options);
  const prompt = randomPrompt(40);
  let stores = 0;

  // A batch and less, several batches, and more than the ring holds.
  for (const wanted of [12, 60, 200])
    it(`are recorded as a reference sums them, steps ahead left out: ${wanted}`, async () => {
      const { model, keeper } = await loadKept({ ...H2O, cacheBudget: 400 });
      const tokens = [...prompt, ...(await begun(model, prompt, wanted))];
      assertClose(flat(await recorded(keeper)), await expected(tokens), 1e-5);
    });

  // Fewer than the window, and more than the ring holds.
  for (const [cachePolicy, window, wanted] of [
    ["snapkv", 64, 12],
    ["snapkv", 64, 200],
    ["tova", 1, 12],
  ] as const)
    it(`are the newest queries of ${cachePolicy}: ${wanted}`, async () => {
      const { model, keeper } = await loadKept({ ...H2O, cachePolicy, cacheBudget: 400 });
      const tokens = [...prompt, ...(await begun(model, prompt, wanted))];
      const first = Math.max(prompt.length, tokens.length - window);
      const looked = flat(await recorded(keeper));
      assertClose(looked, await expected(tokens, first), 1e-5);
      // Looked at twice they count once.
      assertClose(flat(await recorded(keeper)), looked, 0);
    });

  // What reads the generated tokens with what follows, and none of it before the next eviction, sees the same queries.
  const MANY = { chunkLength: 256, cacheBudget: 80 };
  for (const [cachePolicy, wanted, more] of [
    ["snapkv", 170, 30],
    ["snapkv", 12, 70],
    ["tova", 30, 20],
    ["expected-attention", 170, 20],
  ] as const)
    it(`are looked at with what follows under ${cachePolicy}: ${wanted} and ${more}`, async () => {
      const own = { ...H2O, ...MANY, cachePolicy };
      const one = await loadKept(own);
      const read = [...prompt, ...(await begun(one.model, prompt, wanted))];
      const all = [...read, ...randomPrompt(more + 1, 3).slice(1)];
      // Looked at in between.
      await one.keeper.keptTokens(10);
      await one.keeper.read(all, {}, read.length);
      const other = await loadKept(own);
      await other.keeper.read(prompt, {});
      await other.keeper.read(all, {}, prompt.length);
      const [left, right] = [await one.keeper.keptTokens(1e6), await other.keeper.keptTokens(1e6)];
      assert.equal(one.model.cacheStats().tokensKept, own.cacheBudget);
      assert.deepEqual(left.kept, right.kept);
      if (left.attention) assertClose(flat(left.attention), flat(right.attention), 1e-5);
    });

  for (const cachePolicy of ["snapkv", "expected-attention"])
    it(`go with a saved cache, and with a branch, under ${cachePolicy}`, async () => {
      const own = { ...H2O, ...MANY, cachePolicy };
      const one = await loadKept(own);
      const read = [...prompt, ...(await begun(one.model, prompt, 60))];
      const all = [...read, ...randomPrompt(21, 3).slice(1)];
      const other = await loadKept(own);
      await begun(other.model, prompt, 30);
      await restoreInto(other.keeper, one.keeper);
      const trunk = other.keeper.pin();
      await begun(other.model, [...read, 7], 12);
      await other.keeper.branch(trunk);
      for (const { keeper } of [one, other]) await keeper.read(all, {}, read.length);
      const [left, right] = [await one.keeper.keptTokens(1e6), await other.keeper.keptTokens(1e6)];
      assert.deepEqual(left.kept, right.kept);
      // A text of its own has queries of its own.
      const fresh = await loadKept(own);
      const another = randomPrompt(110, 9);
      await begun(other.model, another, 5);
      for (const { keeper } of [fresh, other]) await keeper.read(another, {});
      const [alone, behind] = [
        await fresh.keeper.keptTokens(1e6),
        await other.keeper.keptTokens(1e6),
      ];
      assert.deepEqual(alone.kept, behind.kept);
    });

  for (const [wanted, settings] of [
    [12, {}],
    [12, { cachePolicy: "value-norm" }],
    [12, { cachePolicy: "observed-attention", positionScheme: "in-cache" }],
    [12, { cacheAllocation: "head-adaptive" }],
    // Strides count from evictions, which come in whole ones here; the ring has no whole number of them.
    [170, { cacheQueryStride: 5, chunkLength: 35 }],
  ] satisfies [number, ModelSettings][])
    it(`keep what a run keeps that read them: ${wanted}, ${JSON.stringify(settings)}`, async () => {
      const own = { ...H2O, cacheBudget: wanted + 52, ...settings };
      const one = await loadKept(own);
      const read = [...prompt, ...(await begun(one.model, prompt, wanted))];
      const all = [...read, ...randomPrompt(70, 3).slice(1)];
      await one.keeper.read(all, {}, read.length);
      const other = await loadKept(own);
      await other.keeper.read(prompt, {});
      await other.keeper.read(read, {}, prompt.length);
      await other.keeper.read(all, {}, read.length);
      const [left, right] = [await one.keeper.keptTokens(1e6), await other.keeper.keptTokens(1e6)];
      assert.ok((one.model.cacheStats().tokensEvicted ?? 0) > 0);
      assert.deepEqual(left.kept, right.kept);
      assertClose(flat(left.attention), flat(right.attention), 1e-5);
    });

  it("are forgotten with a text that does not go on, and go with a branch", async () => {
    const { model, keeper } = await loadKept({ ...H2O, cacheBudget: 400 });
    await begun(model, prompt, 12);
    const another = randomPrompt(52, 9);
    await keeper.read(another, {});
    assertClose(flat(await recorded(keeper)), await expected(another), 1e-5);
    const trunk = keeper.pin();
    await begun(model, [...another, 7], 12);
    await keeper.branch(trunk);
    assertClose(flat(await recorded(keeper)), await expected(another), 1e-5);
  });

  /** Save the cache of `from`, and restore it into `to`. */
  async function restoreInto(to: CacheKeeper, from: CacheKeeper): Promise<void> {
    const store = new SnapshotStore(join(folder(), `saved ${stores++}`));
    const captured = from.capture();
    const { identity, device } = from;
    await store.save({ facts: { ...factsOf(identity), device }, ...captured });
    const key = { identity, tokens: captured.state.tokens };
    assert.ok(await store.withLongest(key, (found) => to.restore(found)), "a miss");
  }

  /** Attention to each token of a text by its queries from `from` on, in sum 1 a layer, layer by layer. */
  async function expected(tokens: readonly number[], from = 0): Promise<Float32Array> {
    const model = await loadReferenceModel(join(folder(), "random.gguf"));
    const sums = new Float64Array(model.config.numLayers * tokens.length);
    referenceNll(model, tokens, {
      onWeights({ layer, position }, weights, first) {
        if (position < from) return;
        for (const [i, weight] of weights.entries()) {
          const at = layer * tokens.length + first + i;
          sums[at] = (sums[at] ?? 0) + weight;
        }
      },
    });
    // Every query of every head gives 1 away.
    const total = (tokens.length - from) * model.config.numHeads;
    return Float32Array.from(sums, (sum) => sum / total);
  }
}

/** Generate until `wanted` tokens came, and stop; returns those that the cache holds. */
async function begun(model: LanguageModel, prompt: readonly number[], wanted: number) {
  const tokens: number[] = [];
  for await (const { token } of model.generate({ prompt, maxTokens: 400, ignoreEnd: true })) {
    if (token !== undefined) tokens.push(token);
    if (tokens.length === wanted) break;
  }
  return tokens.slice(0, model.cacheStats().tokensRead - prompt.length);
}

async function recorded(keeper: CacheKeeper): Promise<readonly Float32Array[] | undefined> {
  return (await keeper.keptTokens(1e6)).attention;
}

function flat(layers: readonly Float32Array[] | undefined): Float32Array {
  return Float32Array.from(layers?.flatMap((layer) => [...layer]) ?? []);
}
