// Branches of one prefix: they share its memory, leave it as it was, and say what a fresh run says.

import assert from "node:assert/strict";
import { randomPrompt } from "../../support/randomModel.ts";
import { useRandomModels } from "../../support/randomModels.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const bounded = { cacheBudget: 48, cacheSinks: 4, chunkLength: 32 };
const PREFIX = randomPrompt(150);
/** One tile of tokens: passes of other lengths, cut by the measured speed, round differently. */
const TILE = 16;
const QUESTIONS = Array.from({ length: 10 }, (_, i) => randomPrompt(TILE, 20 + i));

describe("branches of what a cache holds", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const folder = useTemporaryFolder();
  const { gpu, loadKept: load, freeLast } = useRandomModels(folder);

  type Loaded = Awaited<ReturnType<typeof load>>;

  /** Logits behind each token of the question, and the tokens drawn behind it. */
  async function answer({ model, keeper }: Loaded, question: readonly number[]) {
    const logits: number[] = [];
    const prompt = [...PREFIX, ...question];
    await keeper.readLogits(prompt, (_, rows) => logits.push(...rows));
    const tokens: number[] = [];
    // Its own prompt again: the last token is read in any case where nothing is evicted.
    const next = [...prompt, 7];
    for await (const { token } of model.generate({ prompt: next, maxTokens: 6, ignoreEnd: true }))
      if (token !== undefined) tokens.push(token);
    return { logits, tokens };
  }

  const policies = [
    ["full", {}],
    ["full with a tail", { cacheTypeK: "kivi4", cacheResidual: 16, chunkLength: 32 }],
    ["streaming-llm", { ...bounded, cachePolicy: "streaming-llm" }],
    ["h2o", { ...bounded, cachePolicy: "h2o" }],
    ["h2o, in-cache", { ...bounded, cachePolicy: "h2o", positionScheme: "in-cache" }],
    ["snapkv", { ...bounded, cachePolicy: "snapkv" }],
  ] as const;

  for (const [name, settings] of policies)
    it(`answers ten questions without reading again, each as a fresh run does: ${name}`, async () => {
      const shared = await load(settings);
      await shared.keeper.read(PREFIX, {});
      const trunk = shared.keeper.pin();
      for (const question of QUESTIONS) {
        trunk.reset();
        assert.equal(shared.model.cacheStats().tokensRead, PREFIX.length);
        const branched = await answer(shared, question);
        const fresh = await load(settings);
        await fresh.keeper.read(PREFIX, {});
        assert.deepEqual(branched, await answer(fresh, question));
        freeLast();
      }
      assert.ok(trunk.isIntact);
    });

  it("takes no memory beside the cache where nothing is evicted", async () => {
    const { keeper } = await load({ contextLength: 1024 });
    await keeper.read(randomPrompt(900), {});
    const trunk = keeper.pin();
    await keeper.readLogits([...randomPrompt(900), 3, 4, 5], () => {});
    assert.equal(trunk.copiedBytes, 0);
  });

  it("copies a trunk that evictions would move, at the first of them", async () => {
    const { model, keeper } = await load({ ...bounded, cachePolicy: "streaming-llm" });
    await keeper.read(PREFIX, {});
    const before = gpu().buffers.bytes().cache;
    const trunk = keeper.pin();
    assert.equal(trunk.copiedBytes, 0);
    await keeper.readLogits([...PREFIX, ...randomPrompt(10, 2)], () => {});
    assert.equal(trunk.copiedBytes, 48 * model.cacheStats().bytesPerToken);
    keeper.pin();
    assert.ok(!trunk.isIntact);
    assert.equal(gpu().buffers.bytes().cache, before, "given back");
  });

  it("is lost when the cache begins another text, and says so", async () => {
    const { keeper } = await load({});
    await keeper.read(PREFIX, {});
    const trunk = keeper.pin();
    assert.equal(keeper.trunk, trunk);
    await keeper.readLogits([...PREFIX.slice(0, 100), 5, 6], () => {});
    assert.equal(keeper.trunk, undefined);
    assert.throws(() => trunk.reset(), /does not hold this trunk/);
  });

  it("lives on when the cache grows", async () => {
    const settings = { contextLength: 2048 };
    const shared = await load(settings);
    await shared.keeper.read(PREFIX, {});
    const trunk = shared.keeper.pin();
    await shared.keeper.readLogits([...PREFIX, ...randomPrompt(700, 2)], () => {});
    trunk.reset();
    const branched = await answer(shared, QUESTIONS[0] ?? []);
    const fresh = await load(settings);
    await fresh.keeper.read(PREFIX, {});
    assert.deepEqual(branched, await answer(fresh, QUESTIONS[0] ?? []));
  });
});
