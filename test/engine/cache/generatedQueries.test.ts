// Generated tokens as queries of policies that sum attention: what is recorded, beside a plain reference, and what is kept, beside a
// run that read the same tokens instead of generating them.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { CacheKeeper } from "../../../src/engine/cache/cacheKeeper.ts";
import { withoutOptionalFeatures } from "../../../src/engine/gpu/capabilities.ts";
import type { GpuOptions } from "../../../src/engine/gpu/device.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { loadReferenceModel, referenceNll } from "../../reference/decoder.ts";
import { assertClose } from "../../support/close.ts";
import { randomPrompt } from "../../support/randomModel.ts";
import { useRandomModels } from "../../support/randomModels.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

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

  // A batch and less, several batches, and more than the ring holds.
  for (const wanted of [12, 60, 200])
    it(`are recorded as a reference sums them, steps ahead left out: ${wanted}`, async () => {
      const { model, keeper } = await loadKept({ ...H2O, cacheBudget: 400 });
      const tokens = [...prompt, ...(await begun(model, prompt, wanted))];
      assertClose(flat(await recorded(keeper)), await expected(tokens), 1e-5);
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

  /** Attention to each token of a text by all of its queries, in sum 1 a layer, layer by layer. */
  async function expected(tokens: readonly number[]): Promise<Float32Array> {
    const model = await loadReferenceModel(join(folder(), "random.gguf"));
    const sums = new Float64Array(model.config.numLayers * tokens.length);
    referenceNll(model, tokens, {
      onWeights({ layer }, weights, first) {
        for (const [i, weight] of weights.entries()) {
          const at = layer * tokens.length + first + i;
          sums[at] = (sums[at] ?? 0) + weight;
        }
      },
    });
    // Every query of every head gives 1 away.
    const total = tokens.length * model.config.numHeads;
    return Float32Array.from(sums, (sum) => sum / total);
  }
}

/** Generate until `wanted` tokens came, and stop; returns those that the cache holds. */
async function begun(model: LanguageModel, prompt: readonly number[], wanted: number) {
  const tokens: number[] = [];
  for await (const { token } of model.generate({ prompt, maxTokens: 400, ignoreEnd: true })) {
    tokens.push(token);
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
