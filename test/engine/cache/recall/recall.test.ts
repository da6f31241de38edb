// Models that bring evicted tokens back: with all of them back equal to the full cache, without a trace once the question is
// answered.

import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../../src/engine/languageModel.ts";
import { loadModel } from "../../../../src/engine/loadModel.ts";
import type { ModelSettings, RunStats } from "../../../../src/protocol.ts";
import { useGpu } from "../../../support/gpu.ts";
import { randomPrompt, writeRandomModel } from "../../../support/randomModel.ts";
import { useTemporaryFolder } from "../../../support/temporaryFolder.ts";

const BUDGET = { cacheBudget: 40, chunkLength: 32 };
const F32 = { cacheTypeK: "f32", cacheTypeV: "f32" };
const ALL = 1000;

describe("a model that recalls evicted tokens", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const gpu = useGpu();
  const folder = useTemporaryFolder();
  let path: string;
  const models: LanguageModel[] = [];
  before(async () => {
    path = join(folder(), "one-layer.gguf");
    // One layer: with more, evictions live on in the hidden states of those that did not see what was evicted.
    const shape = { numLayers: 1, headDim: 32 };
    await writeRandomModel(path, { architecture: "llama", format: "f32", shape });
  });
  afterEach(() => {
    for (const model of models.splice(0)) model.dispose();
  });

  async function load(settings: ModelSettings): Promise<LanguageModel> {
    const model = await loadModel(gpu(), path, settings);
    models.push(model);
    return model;
  }

  const prompt = randomPrompt(200);
  const f16 = { cacheTypeK: "f16", cacheTypeV: "f16" };
  const mixed = { cacheTypeK: "q8_0", cacheTypeV: "q4_0" };
  for (const [cachePolicy, types] of [
    ["streaming-llm", F32],
    ["key-norm", F32],
    ["key-norm", f16],
    ["streaming-llm", mixed],
  ] as const)
    for (const positionScheme of ["original", "in-cache"])
      it(`equals the full cache with all of them back: ${cachePolicy}, ${positionScheme}, ${types.cacheTypeK}/${types.cacheTypeV}`, async () => {
        const expected = await generate(await load(types), prompt);
        const settings = { ...types, ...BUDGET, cachePolicy, positionScheme };
        const recalling = await load({ ...settings, cacheRecall: ALL });
        const found = await generate(recalling, prompt);
        assert.deepEqual(found.tokens, expected.tokens);
        const without = await generate(await load(settings), prompt);
        assert.notDeepEqual(without.tokens, expected.tokens);
      });

  it("answers a second time as the first, from the cache as it was", async () => {
    for (const positionScheme of ["original", "in-cache"]) {
      const settings = { ...F32, ...BUDGET, cachePolicy: "streaming-llm", positionScheme };
      const model = await load({ ...settings, cacheRecall: 64 });
      const first = await generate(model, prompt);
      const bytes = gpu().buffers.bytes();
      const read: number[] = [];
      const again = await generate(model, prompt, (done) => read.push(done));
      assert.deepEqual(again.tokens, first.tokens);
      assert.deepEqual(read, [], "only the question was read again");
      assert.deepEqual(gpu().buffers.bytes(), bytes);
      assert.notDeepEqual((await generate(model, randomPrompt(200, 7))).tokens, first.tokens);
      assert.deepEqual((await generate(model, prompt)).tokens, first.tokens);
    }
  });

  it("is refused where nothing is evicted", async () => {
    await assert.rejects(
      load({ cacheRecall: 5 }),
      (error) =>
        error instanceof UserError &&
        /full keeps every token and has no cacheRecall/.test(error.message),
    );
    await assert.rejects(load({ cachePolicy: "h2o", cacheRecall: 1.5 }), /recall cannot be 1.5/);
  });
});

async function generate(
  model: LanguageModel,
  prompt: readonly number[],
  onPrefill: (done: number) => void = () => {},
): Promise<{ tokens: number[]; stats: RunStats }> {
  const stream = model.generate({ prompt, maxTokens: 24, ignoreEnd: true, onPrefill });
  const tokens: number[] = [];
  for (;;) {
    const { done, value } = await stream.next();
    // Text that the last token completes late comes with its id once more.
    if (done) return { tokens: tokens.slice(0, value.generatedTokens), stats: value };
    tokens.push(value.token);
  }
}
