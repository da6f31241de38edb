// Dual chunk attention: distances stay within the trained ones, near ones are exact, and the engine computes what the
// definition says, at lengths far beyond training.

import assert from "node:assert/strict";
import { join } from "node:path";
import { dualChunkOf } from "../../../src/engine/cache/dualChunk.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { withoutOptionalFeatures } from "../../../src/engine/gpu/capabilities.ts";
import type { Gpu } from "../../../src/engine/gpu/device.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import { loadModel } from "../../../src/engine/loadModel.ts";
import type { ArchitectureId } from "../../../src/engine/model/architectures/index.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import {
  loadReferenceModel,
  referenceLogProbabilities,
  referenceNll,
} from "../../reference/decoder.ts";
import { distance } from "../../reference/dualChunk.ts";
import { assertClose } from "../../support/close.ts";
import { useGpu } from "../../support/gpu.ts";
import { random } from "../../support/random.ts";
import { type RandomModel, randomPrompt, writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const F32 = { cacheTypeK: "f32", cacheTypeV: "f32" };
/** Chunks of 40 tokens, distances up to 48. */
const TRAINED = 64;
const LENGTH = 230;
const DUAL = { ...F32, positionScheme: "dual-chunk", contextLength: 400 };

describe("distances of dual chunk attention", () => {
  it("are ChunkLlama's: 3/4 of the trained length, in chunks that leave an eighth of it as window", () => {
    assert.deepEqual(dualChunkOf(4096), { chunkSize: 3072, chunkLength: 2560 });
  });

  it("never exceed the chunk size, at any length", () => {
    const dual = dualChunkOf(4096);
    const next = random(5);
    for (let i = 0; i < 20_000; i++) {
      const query = Math.floor(next() * 1_000_000);
      const key = Math.floor(next() * (query + 1));
      const seen = distance(dual, query, key);
      // The first key of an earlier chunk is the longest distance away, any other is nearer.
      assert.ok(seen >= 0 && seen <= dual.chunkSize - (key % dual.chunkLength === 0 ? 0 : 1));
    }
  });

  it("are the true ones for the tokens of a local window, over the ends of chunks as well", () => {
    const dual = dualChunkOf(4096);
    const localWindow = dual.chunkSize - dual.chunkLength;
    for (let query = 0; query < 20_000; query += 7)
      for (let back = 0; back <= Math.min(query, localWindow); back += 31)
        assert.equal(distance(dual, query, query - back), back);
  });
});

describe("a model with dual chunk attention", function () {
  this.timeout(300_000);
  suite(useGpu(), ["llama", "qwen3", "gemma3"]);
});
describe("a model with dual chunk attention, without f16 and subgroups", function () {
  this.timeout(300_000);
  suite(useGpu({ restrict: withoutOptionalFeatures }), ["llama"]);
});

function suite(gpu: () => Gpu, architectures: readonly ArchitectureId[]): void {
  const folder = useTemporaryFolder();
  const models: LanguageModel[] = [];
  afterEach(() => {
    for (const model of models.splice(0)) model.dispose();
  });

  async function setUp(model: Omit<RandomModel, "format"> & Partial<RandomModel>): Promise<string> {
    const path = join(folder(), "random.gguf");
    const shape = { ...model.shape, contextLength: TRAINED };
    await writeRandomModel(path, { format: "f32", ...model, shape });
    return path;
  }

  async function load(path: string, settings: ModelSettings): Promise<LanguageModel> {
    const model = await loadModel(gpu(), path, settings);
    models.push(model);
    return model;
  }

  it("scores as with RoPE while the text is shorter than a chunk", async () => {
    const path = await setUp({ architecture: "llama" });
    const tokens = randomPrompt(40);
    const plain = await (await load(path, F32)).scoreTokens(tokens);
    assertClose(await (await load(path, DUAL)).scoreTokens(tokens), plain, 1e-6);
  });

  for (const architecture of architectures)
    it(`scores ${LENGTH} tokens as the reference does, trained on ${TRAINED}: ${architecture}`, async () => {
      const path = await setUp({
        architecture,
        ...(architecture === "gemma3" && { slidingWindow: 16 }),
      });
      const tokens = randomPrompt(LENGTH);
      const reference = await loadReferenceModel(path);
      const expected = referenceNll(reference, tokens, { dualChunk: dualChunkOf(TRAINED) });
      const model = await load(path, DUAL);
      assertClose(await model.scoreTokens(tokens), expected, 2e-4);
      assert.equal(model.cacheStats().positionScheme, "dual-chunk");
      const plain = referenceNll(reference, tokens);
      assert.ok(plain.some((nll, i) => Math.abs(nll - (expected[i] ?? 0)) > 0.01));
    });

  it("decodes over the end of a chunk what the reference finds likeliest", async () => {
    const path = await setUp({ architecture: "llama" });
    const reference = await loadReferenceModel(path);
    const model = await load(path, DUAL);
    // Into the second, third and fourth chunk; the last prompt goes on in the cache of the one before.
    for (const length of [33, 70, 110]) {
      const tokens = randomPrompt(length);
      for await (const { token } of model.generate({
        prompt: tokens,
        maxTokens: 20,
        ignoreEnd: true,
      }))
        if (token !== undefined) tokens.push(token);
      const rows = referenceLogProbabilities(reference, tokens, {
        dualChunk: dualChunkOf(TRAINED),
      });
      for (let i = length; i < length + 20; i++) {
        const row = rows[i - 1] ?? new Float64Array();
        const best = row.reduce((a, b) => Math.max(a, b));
        assert.ok(best - (row[tokens[i] ?? 0] ?? 0) < 1e-3, `token ${i}`);
      }
    }
  });

  it("refuses what it cannot be combined with, by name", async () => {
    const path = await setUp({ architecture: "llama" });
    for (const [settings, named] of [
      [{ cachePolicy: "h2o" }, /dual-chunk cannot be combined with cache policy h2o/],
      [{ prefillSparsity: "lambda" }, /dual-chunk cannot be combined with prefill sparsity lambda/],
      [{ cacheRotation: "keys" }, /dual-chunk cannot be combined with cache rotation keys/],
    ] as const)
      await assert.rejects(
        load(path, { ...DUAL, ...settings }),
        (error) => error instanceof UserError && named.test(error.message),
      );
  });
}
