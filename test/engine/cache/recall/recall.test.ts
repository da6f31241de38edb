// Models that bring evicted tokens back: with all of them back equal to the full cache, without a trace once the question is
// answered.

import assert from "node:assert/strict";
import { join } from "node:path";
import { cachePolicies } from "../../../../src/engine/cache/policies/index.ts";
import { UserError } from "../../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../../src/engine/languageModel.ts";
import { loadModel } from "../../../../src/engine/loadModel.ts";
import type { ModelSettings, RunStats } from "../../../../src/protocol.ts";
import { assertClose } from "../../../support/close.ts";
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

  async function load(settings: ModelSettings, file = path): Promise<LanguageModel> {
    const model = await loadModel(gpu(), file, settings);
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

  describe("whose other layers have sliding windows", () => {
    let local: string;
    const WINDOW = 24;
    before(async () => {
      local = join(folder(), "gemma3.gguf");
      // Its last layer alone sees all tokens, so that evictions live on in no hidden state.
      const random = { architecture: "gemma3", format: "f32", slidingWindow: WINDOW } as const;
      await writeRandomModel(local, random);
    });

    for (const [cachePolicy, types, positionScheme, tolerance] of [
      ["streaming-llm", F32, "original", 1e-3],
      ["streaming-llm", F32, "in-cache", 1e-3],
      ["h2o", F32, "in-cache", 1e-3],
      ["key-norm", mixed, "original", 2e-3],
    ] as const)
      it(`equals the full cache with all of them back: ${cachePolicy}, ${positionScheme}, ${types.cacheTypeK}`, async () => {
        const expected = await answers(await load(types, local));
        const settings = { ...types, ...BUDGET, cachePolicy, positionScheme };
        const model = await load({ ...settings, cacheRecall: ALL }, local);
        assertClose(await answers(model), expected, tolerance);
        // From the cache as it was: what windows let go of is not missed.
        assertClose(await answers(model), expected, tolerance);
        const without = await answers(await load(settings, local));
        assert.throws(() => assertClose(without, expected, 10 * tolerance));
      });

    it("keeps what was evicted of layers that see all, and of no other", async () => {
      const settings = { ...F32, ...BUDGET, cachePolicy: "streaming-llm", cacheRecall: 50 };
      const model = await load(settings, local);
      const { stats } = await generate(model, randomPrompt(300, 3));
      const { tokensRead, tokensKeptPerHead: kept = [], recall } = stats.cache;
      const last = kept.length - 1;
      assert.deepEqual(
        kept.map(([head]) => head),
        kept.map((_, layer) => (layer === last ? BUDGET.cacheBudget : WINDOW)),
      );
      assert.equal((recall?.tokens ?? 0) * kept.length, tokensRead - BUDGET.cacheBudget);
    });
  });

  /** Policies that look at attention, whose kernels then leave more behind than others'. */
  const looking = Object.entries(cachePolicies).flatMap(([id, policy]) =>
    "records" in policy ? [id] : [],
  );
  for (const [cachePolicy, types, positionScheme] of [
    ["streaming-llm", F32, "original"],
    ["streaming-llm", F32, "in-cache"],
    ["streaming-llm", mixed, "in-cache"],
    ...looking.map((id) => [id, F32, "in-cache"] as const),
  ] as const)
    it(`weighs continuations as the full cache does with all of them back: ${cachePolicy}, ${types.cacheTypeK}, ${positionScheme}`, async () => {
      const branches = [1, 18, 5].map((length, seed) => {
        const tokens = randomPrompt(length, 20 + seed);
        return { tokens, wanted: tokens.map((token) => [token, 40, 3]) };
      });
      const expected = await (await load(types)).branchLogProbabilities(prompt, branches);
      // What kvzip has by default lets heads compete.
      const alike = { positionScheme, cacheAllocation: "uniform" };
      const settings = { ...types, ...BUDGET, cachePolicy, ...alike };
      const model = await load({ ...settings, cacheRecall: ALL });
      const before = await model.logProbabilities(prompt, [[5, 6]]);
      // The second time from the cache as it was, where only the question is read again.
      for (let i = 0; i < 2; i++)
        assertClose(
          (await model.branchLogProbabilities(prompt, branches)).flat(2),
          expected.flat(2),
          2e-3,
        );
      assert.deepEqual(await model.logProbabilities(prompt, [[5, 6]]), before);
      const without = await (await load(settings)).branchLogProbabilities(prompt, branches);
      assert.throws(() => assertClose(without.flat(2), expected.flat(2), 2e-2));
    });

  it("answers a second time as the first, from the cache as it was", async () => {
    for (const positionScheme of ["original", "in-cache"]) {
      const settings = { ...F32, ...BUDGET, cachePolicy: "streaming-llm", positionScheme };
      const model = await load({ ...settings, cacheRecall: 64 });
      const first = await generate(model, prompt);
      const bytes = gpu().buffers.bytes();
      const numBindGroups = await gpu().kernels.numBindGroups();
      const read: number[] = [];
      const again = await generate(model, prompt, (done) => read.push(done));
      assert.deepEqual(again.tokens, first.tokens);
      assert.deepEqual(read, [], "only the question was read again");
      assert.deepEqual(gpu().buffers.bytes(), bytes);
      assert.equal(await gpu().kernels.numBindGroups(), numBindGroups, "none for a question alone");
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

/** ln p of some tokens behind each of a prompt's last four. */
async function answers(model: LanguageModel): Promise<number[]> {
  const some = Array.from({ length: 40 }, (_, i) => 5 + 4 * i);
  const found = await model.logProbabilities(randomPrompt(200), [some, some, some, some]);
  return found.flat();
}

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
    if (value.token !== undefined) tokens.push(value.token);
  }
}
