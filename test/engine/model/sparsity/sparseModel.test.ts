// Models whose prefill attends to chosen blocks, from settings to stats.

import assert from "node:assert/strict";
import { join } from "node:path";
import { planCache } from "../../../../src/engine/cache/cachePlan.ts";
import { UserError } from "../../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../../src/engine/languageModel.ts";
import { prefillSelectors } from "../../../../src/engine/model/sparsity/index.ts";
import { planSparsity } from "../../../../src/engine/model/sparsity/sparsityPlan.ts";
import type { ModelSettings, RunStats } from "../../../../src/protocol.ts";
import { assertClose } from "../../../support/close.ts";
import { randomPrompt, writeRandomModel } from "../../../support/randomModel.ts";
import { useRandomModels } from "../../../support/randomModels.ts";
import { useTemporaryFolder } from "../../../support/temporaryFolder.ts";

const F32 = { cacheTypeK: "f32", cacheTypeV: "f32" };
const ids = Object.keys(prefillSelectors);

describe("a model with sparse prefill", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const folder = useTemporaryFolder();
  const { load: loadWith } = useRandomModels(folder);
  const load = (settings: ModelSettings, file?: string) => loadWith({ ...F32, ...settings }, file);

  for (const prefillSparsity of ids) {
    it(`${prefillSparsity} scores as dense prefill at threshold 1, whatever the passes`, async () => {
      const tokens = randomPrompt(300);
      const dense = await (await load({})).scoreTokens(tokens);
      const settings = { prefillSparsity, prefillThreshold: 1, chunkLength: 96 };
      assertClose(await (await load(settings)).scoreTokens(tokens), dense, 1e-5);
    });

    it(`${prefillSparsity} leaves blocks out below it, and says how many`, async () => {
      const settings = { prefillSparsity, prefillThreshold: 0.3, chunkLength: 128 };
      const model = await load(settings);
      const prompt = randomPrompt(900);
      const { prefill } = await generate(model, prompt, 2);
      const { of } = prefillSelectors[prefillSparsity as keyof typeof prefillSelectors];
      assert.ok(prefill);
      const { blocksAttended = 0, ...said } = prefill;
      assert.deepEqual(said, { sparsity: prefillSparsity, threshold: 0.3, thresholdOf: of });
      assert.ok(blocksAttended > 0.1 && blocksAttended < 0.9, `${blocksAttended}`);
      // Only the last token is read again, which is no prefill of many.
      const again = await generate(model, prompt, 2);
      assert.equal(again.prefill?.blocksAttended, undefined);
    });
  }

  it("goes with a bounded cache that looks at no attention, and keeps windows as they are", async () => {
    const tokens = randomPrompt(300);
    const sparse = { prefillSparsity: "block-sparse", prefillThreshold: 1, chunkLength: 64 };
    for (const positionScheme of ["original", "in-cache"]) {
      const bounded = { cachePolicy: "streaming-llm", cacheBudget: 100, positionScheme };
      const expected = await (await load({ ...bounded, chunkLength: 64 })).scoreTokens(tokens);
      const actual = await (await load({ ...bounded, ...sparse })).scoreTokens(tokens);
      assertClose(actual, expected, 1e-5);
    }
    const local = join(folder(), "local.gguf");
    await writeRandomModel(local, { architecture: "gemma3", format: "f32", slidingWindow: 80 });
    const dense = await (await load({}, local)).scoreTokens(tokens);
    assertClose(await (await load(sparse, local)).scoreTokens(tokens), dense, 1e-5);
  });

  it("says dense prefill's stats by their absence", async () => {
    const stats = await generate(await load({ prefillSparsity: "dense" }), randomPrompt(40), 2);
    assert.equal(stats.prefill, undefined);
  });
});

describe("settings of sparse prefill", () => {
  it("are refused in one line when they cannot be", async () => {
    const refused = (settings: ModelSettings, message: RegExp, policy?: string) =>
      assert.throws(
        () => planSparsity(settings, policy === undefined ? undefined : recording(policy)),
        (error) => error instanceof UserError && message.test(error.message),
      );
    refused({ prefillSparsity: "sparse" }, /"sparse": choose dense, .*block-sparse/);
    refused({ prefillThreshold: 0.5 }, /dense and has no threshold, but 0.5/);
    for (const prefillThreshold of [0, -1, 1.5, Number.NaN])
      refused({ prefillSparsity: "lambda", prefillThreshold }, /threshold cannot be/);
    refused({ prefillSparsity: "lambda" }, /h2o ranks tokens by their attention/, "h2o");
  });

  it("have thresholds of their own where none is given", () => {
    for (const [id, selector] of Object.entries(prefillSelectors)) {
      assert.match(selector.description, /^[a-z].*[^.]$/);
      assert.ok(selector.threshold > 0 && selector.threshold < 1);
      assert.equal(planSparsity({ prefillSparsity: id }, undefined)?.threshold, selector.threshold);
    }
  });
});

function recording(cachePolicy: string) {
  return planCache({ cachePolicy }, { layers: [] }, 64);
}

async function generate(
  model: LanguageModel,
  prompt: readonly number[],
  maxTokens: number,
): Promise<RunStats> {
  const stream = model.generate({ prompt, maxTokens, ignoreEnd: true });
  for (;;) {
    const { done, value } = await stream.next();
    if (done) return value;
  }
}
