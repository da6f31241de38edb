// Models with a bounded cache, from settings to stats: equal to the full cache until something is evicted, of constant size
// from then on, and honest about what is left.

import assert from "node:assert/strict";
import { join } from "node:path";
import { cachePolicies } from "../../../src/engine/cache/policies/index.ts";
import { UserError } from "../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import { writeGguf } from "../../../src/engine/model/ggufWriter.ts";
import type { ModelSettings, RunStats } from "../../../src/protocol.ts";
import { assertClose } from "../../support/close.ts";
import { randomModelContents, randomPrompt, writeRandomModel } from "../../support/randomModel.ts";
import { useRandomModels } from "../../support/randomModels.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const F32 = { cacheTypeK: "f32", cacheTypeV: "f32" };
const SMALL = { ...F32, cacheBudget: 48, cacheSinks: 4, chunkLength: 32 };
const NUM_KV_HEADS = 2;
const NUM_LAYERS = 2;

describe("a model with a bounded cache", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const folder = useTemporaryFolder();
  const { gpu, load } = useRandomModels(folder);

  for (const positionScheme of ["original", "in-cache"])
    it(`scores as with the full cache while nothing is evicted, positions ${positionScheme}`, async () => {
      const tokens = randomPrompt(90);
      const full = await (await load(F32)).scoreTokens(tokens);
      for (const cachePolicy of ["streaming-llm", "h2o"]) {
        const settings = { ...SMALL, cachePolicy, cacheBudget: 90, positionScheme };
        const bounded = await (await load(settings)).scoreTokens(tokens);
        assertClose(bounded, full, 1e-4);
      }
    });

  it("scores otherwise once tokens are evicted", async () => {
    const tokens = randomPrompt(200);
    const full = await (await load(F32)).scoreTokens(tokens);
    const bounded = await (await load({ ...SMALL, cachePolicy: "h2o" })).scoreTokens(tokens);
    assertClose(bounded.subarray(0, 63), full.subarray(0, 63), 1e-4);
    const isAlike = full.every((nll, i) => Math.abs(nll - (bounded[i] ?? 0)) < 1e-3);
    assert.ok(!isAlike && bounded.every(Number.isFinite));
  });

  it("sees only sinks and window under streaming-llm: tokens between them change nothing", async () => {
    const tokens = randomPrompt(300);
    const others = tokens.map((token, i) => (i >= 10 && i < 100 ? 3 + ((token + i) % 250) : token));
    // One layer: with more, what was evicted lives on in the hidden states of those that saw it.
    const file = join(folder(), "one-layer.gguf");
    await writeRandomModel(file, { architecture: "qwen3", format: "f32", shape: { numLayers: 1 } });
    const model = await load({ ...SMALL, cachePolicy: "streaming-llm" }, file);
    const [a, b] = [await model.scoreTokens(tokens), await model.scoreTokens(others)];
    assertClose(b.subarray(200), a.subarray(200), 1e-5);
  });

  it("gives a short text's probabilities to a window far into a long one, with in-cache positions", async () => {
    const file = join(folder(), "one-layer.gguf");
    await writeRandomModel(file, { architecture: "llama", format: "f32", shape: { numLayers: 1 } });
    const tokens = randomPrompt(4 + 32 * 6);
    const settings = { ...SMALL, cacheBudget: 36, cachePolicy: "streaming-llm" };
    const scored = await (await load({ ...settings, chunkLength: 32 }, file)).scoreTokens(tokens);
    // The last pass of 4 tokens sees 4 sinks and the 32 tokens before it, as if nothing had been between them.
    const seen = [...tokens.slice(0, 4), ...tokens.slice(-36)];
    const alone = await (await load(F32, file)).scoreTokens(seen);
    assertClose(scored.subarray(-3), alone.subarray(-3), 1e-4);
  });

  it("takes the same memory for a short text and a long one", async () => {
    const model = await load({ ...SMALL, cachePolicy: "h2o", contextLength: 4096 });
    const bytes: number[] = [];
    for (const length of [100, 1000]) {
      await model.scoreTokens(randomPrompt(length));
      bytes.push(Object.values(gpu().buffers.bytes()).reduce((a, b) => a + b, 0));
    }
    assert.equal(bytes[1], bytes[0]);
    assert.equal(model.cacheStats().tokensKept, 48);
    assert.equal(model.cacheStats().tokensEvicted, 952);
  });

  for (const [id, policy] of Object.entries(cachePolicies)) {
    if (!policy.evicts) continue;
    for (const type of ["f32", "q8_0"])
      it(`generates under ${id} in ${type}, goes on in a second turn, and tells what it kept`, async () => {
        const types = { cacheTypeK: type, cacheTypeV: type, cacheAllocation: "uniform" };
        const model = await load({ ...SMALL, ...types, cachePolicy: id });
        const prompt = randomPrompt(100);
        const first = await generate(model, prompt, 5);
        assert.equal(first.tokens.length, 5);
        const { cache } = first.stats;
        assert.equal(cache.policy, id);
        assert.equal(cache.tokensRead, 104);
        assert.equal(cache.tokensKept, 48 + 4);
        assert.equal(cache.tokensEvicted, 52);
        assert.equal(cache.compressionRatio, 0.5);
        assert.deepEqual(
          cache.tokensKeptPerHead,
          Array(NUM_LAYERS).fill(Array(NUM_KV_HEADS).fill(52)),
        );
        const parts = Object.values(cache.bytesByPurpose ?? {});
        assert.equal(
          parts.reduce((a, b) => a + b, 0),
          cache.bytes,
        );
        const more = [...prompt, ...first.tokens, ...randomPrompt(40, 9).slice(1)];
        const read: number[] = [];
        const second = await generate(model, more, 3, (done) => read.push(done));
        assert.ok((read[0] ?? 0) > 104, "the second turn reads only what is new");
        assert.equal(second.stats.cache.tokensRead, more.length + 2);
        assert.equal(second.stats.cache.tokensKept, 48 + 2);
      });
  }

  for (const cacheAllocation of ["pyramid", "head-adaptive", "global"])
    for (const positionScheme of ["original", "in-cache"])
      it(`shares the budget out ${cacheAllocation}, positions ${positionScheme}: as full at first, then by layer and head`, async () => {
        const settings = { ...SMALL, cachePolicy: "h2o", cacheAllocation, positionScheme };
        const model = await load(settings);
        const tokens = randomPrompt(200);
        const bounded = await model.scoreTokens(tokens);
        const full = await (await load(F32)).scoreTokens(tokens);
        assertClose(bounded.subarray(0, 31), full.subarray(0, 31), 1e-4);
        assert.ok(bounded.every(Number.isFinite));
        const { cache } = (await generate(model, randomPrompt(150), 5)).stats;
        const kept = (cache.tokensKeptPerHead ?? []).flat();
        assert.equal(cache.allocation, cacheAllocation);
        assert.ok(new Set(kept).size > 1, `uneven: ${kept}`);
        const mean = kept.reduce((sum, own) => sum + own, 0) / kept.length;
        assert.equal(mean, 48 + 4);
        // Every turn goes on from uneven heads.
        const more = await generate(model, [...randomPrompt(150), ...randomPrompt(90, 9)], 3);
        const stats = [more.stats.cache.tokensRead, more.stats.cache.tokensKept];
        assert.deepEqual(stats, [150 + 90 + 2, 48 + 2]);
        const bytes = [cache.bytes, more.stats.cache.bytes];
        assert.equal(bytes[1], bytes[0], "the cache does not grow with the text");
      });

  it("keeps the window of layers that have one, and rules the others", async () => {
    const local = join(folder(), "local.gguf");
    await writeRandomModel(local, { architecture: "gemma3", format: "f32", slidingWindow: 16 });
    const tokens = randomPrompt(150);
    const full = await (await load(F32, local)).scoreTokens(tokens);
    // While the global layer keeps all, evictions from the others change nothing.
    for (const positionScheme of ["original", "in-cache"]) {
      const roomy = { ...SMALL, cachePolicy: "h2o", cacheBudget: 150, positionScheme };
      assertClose(await (await load(roomy, local)).scoreTokens(tokens), full, 1e-4);
    }
    const model = await load({ ...SMALL, cachePolicy: "h2o" }, local);
    const bounded = await model.scoreTokens(tokens);
    assertClose(bounded.subarray(0, 63), full.subarray(0, 63), 1e-4);
    assert.ok(bounded.some((nll, i) => Math.abs(nll - (full[i] ?? 0)) > 1e-3));
    const kept = model.cacheStats().tokensKeptPerHead ?? [];
    const heads = kept.map((layer) => new Set(layer));
    assert.deepEqual(
      heads.map((lengths) => [...lengths]),
      [[16], [16], [16], [16], [16], [48]],
    );
  });

  it("draws the next token from the text it read, not from its repeat, under kvzip", async () => {
    const prompt = randomPrompt(60);
    const { tokens: expected } = await generate(await load(F32), prompt, 1);
    const model = await load({ ...SMALL, cachePolicy: "kvzip" });
    const { tokens, stats } = await generate(model, prompt, 1);
    assert.deepEqual(tokens, expected);
    assert.equal(stats.cache.tokensKept, 48);
  });

  it("records a repeat in a layer that keeps far less than the mean, under kvzip", async () => {
    // A layer that looks everywhere alike: few of its slots win against those that another layer looks at.
    const file = join(folder(), "indifferent.gguf");
    const { metadata, tensors } = randomModelContents({ architecture: "llama", format: "f32" });
    const uneven = tensors.map((tensor) =>
      tensor.name === "blk.0.attn_q.weight"
        ? { ...tensor, data: () => [new Uint8Array(4 * tensor.shape.reduce((a, b) => a * b, 1))] }
        : tensor,
    );
    await writeGguf(file, { metadata, tensors: uneven });
    const settings = { ...SMALL, cachePolicy: "kvzip", cacheBudget: 200, cacheRecent: 4 };
    const model = await load(settings, file);
    const { tokens, stats } = await generate(model, randomPrompt(700), 5);
    assert.equal(tokens.length, 5);
    const longest = (stats.cache.tokensKeptPerHead ?? []).map((heads) => Math.max(...heads));
    assert.ok((longest[0] ?? 0) < 40, `kept by layer: ${longest}`);
  });

  it("begins anew when a prompt differs from what was evicted", async () => {
    const model = await load({ ...SMALL, cachePolicy: "h2o" });
    const [one, other] = [randomPrompt(120), randomPrompt(120, 5)];
    const expected = (await generate(model, one, 6)).tokens;
    await generate(model, other, 6);
    assert.deepEqual((await generate(model, one, 6)).tokens, expected);
  });

  it("refuses budgets and windows that cannot be, in one line", async () => {
    const refused = (settings: ModelSettings, message: RegExp) =>
      assert.rejects(
        load(settings),
        (error) => error instanceof UserError && message.test(error.message),
      );
    const h2o = { cachePolicy: "h2o" };
    await refused({ ...h2o, cacheBudget: 10, cacheRecent: 8 }, /budget of 10 .* 4 sinks and 8 /);
    await refused({ ...h2o, cacheBudget: 1 }, /budget cannot be 1/);
    await refused({ ...h2o, cacheRecent: 2.5 }, /recent cannot be 2.5/);
    await refused({ ...h2o, chunkLength: 32, cacheQueryStride: 33 }, /stride of 33 .* chunk of 32/);
    await refused({ cacheBudget: 10 }, /full keeps every token and has no cacheBudget/);
    await refused({ cachePolicy: "h3o" }, /"h3o": choose full, .*h2o/);
  });
});

async function generate(
  model: LanguageModel,
  prompt: readonly number[],
  maxTokens: number,
  onPrefill: (done: number) => void = () => {},
): Promise<{ tokens: number[]; stats: RunStats }> {
  const stream = model.generate({ prompt, maxTokens, ignoreEnd: true, onPrefill });
  const tokens: number[] = [];
  for (;;) {
    const { done, value } = await stream.next();
    // Text that the last token completes late comes with its id once more.
    if (done) return { tokens: tokens.slice(0, value.generatedTokens), stats: value };
    if (value.token !== undefined) tokens.push(value.token);
  }
}
