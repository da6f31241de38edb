// Several continuations of a prompt in one pass: each says what it says alone, and the cache is as it was.

import assert from "node:assert/strict";
import { StoppedError, UserError } from "../../src/engine/errors.ts";
import { type Capabilities, withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import type { Branch, LanguageModel } from "../../src/engine/languageModel.ts";
import type { ModelSettings } from "../../src/protocol.ts";
import { assertClose } from "../support/close.ts";
import { type RandomModel, randomPrompt } from "../support/randomModel.ts";
import { useRandomModels } from "../support/randomModels.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

const PROMPT = randomPrompt(70);
/** Of a token, of fewer than a tile has and of more; together more than a pass has rows at first. */
const BRANCHES = [1, 5, 18, 16, 17, 3].map((length, seed): Branch => {
  const tokens = randomPrompt(length, 10 + seed);
  return { tokens, wanted: tokens.map((token) => [token, 40, 3]) };
});

const cases: Readonly<Record<string, RandomModel>> = {
  llama: { architecture: "llama", format: "f32" },
  "llama whose rows cannot be bound one by one": {
    architecture: "llama",
    format: "f32",
    shape: { numHeads: 3, numKvHeads: 1, headDim: 20, hiddenSize: 64 },
  },
  "gemma3 with windows": { architecture: "gemma3", format: "f32", slidingWindow: 16 },
  "qwen3 with norms of queries and keys": { architecture: "qwen3", format: "f32" },
  "phi3 beyond its trained length": {
    architecture: "phi3",
    format: "f32",
    ropeScaling: "longrope",
  },
};

/** Caches that hold every token in its place, and others, which are read branch by branch. */
const settingsOf: Readonly<Record<string, ModelSettings>> = {
  f32: { cacheTypeK: "f32", cacheTypeV: "f32" },
  "q8_0 and q4_0": { cacheTypeK: "q8_0", cacheTypeV: "q4_0" },
  "rotated f16": { cacheRotation: "on" },
  "passes shorter than a branch": { chunkLength: 16 },
  "a tail": { cacheTypeK: "kivi4", cacheResidual: 16, chunkLength: 32 },
  "dual-chunk": { positionScheme: "dual-chunk" },
};

describe("branches of a prompt", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const folder = useTemporaryFolder();

  async function oneByOne(model: LanguageModel, prompt = PROMPT): Promise<number[][][]> {
    const found: number[][][] = [];
    for (const { tokens, wanted } of BRANCHES)
      found.push(await model.logProbabilities([...prompt, ...tokens], wanted));
    return found;
  }

  function assertSame(found: readonly number[][][], expected: readonly number[][][]): void {
    assert.deepEqual(
      found.map((rows) => rows.map((row) => row.length)),
      BRANCHES.map(({ wanted }) => wanted.map((row) => row.length)),
    );
    assertClose(found.flat(2), expected.flat(2), 2e-3);
  }

  for (const [name, random] of Object.entries(cases))
    describe(`of ${name}`, () => {
      const { load } = useRandomModels(folder, random);

      it("say what each says alone, whether the cache holds the prompt or not", async () => {
        const settings = { cacheTypeK: "f32", cacheTypeV: "f32" };
        const expected = await oneByOne(await load(settings));
        const model = await load(settings);
        assertSame(await model.branchLogProbabilities(PROMPT, BRANCHES), expected);
        assert.equal(model.cacheStats().tokensRead, PROMPT.length);
        const [row] = await model.logProbabilities(PROMPT, [[5, 6]]);
        assertSame(await model.branchLogProbabilities(PROMPT, BRANCHES), expected);
        const [again] = await model.logProbabilities(PROMPT, [[5, 6]]);
        assert.deepEqual(again, row, "the prompt is as it was");
      });
    });

  describe("on an adapter so wide that the slots of a pass are shared out", () => {
    const shape = { hiddenSize: 32, intermediateSize: 32, numLayers: 1, headDim: 32 };
    const wide = (offered: Capabilities) => ({
      ...withoutOptionalFeatures(offered),
      busyWorkgroups: 1024,
    });
    const { load } = useRandomModels(
      folder,
      { architecture: "llama", format: "f32", shape },
      { restrict: wide },
    );

    it("say what each says alone", async () => {
      // As splitPrefill.test.ts has it: the same kernels.
      const model = await load({ cacheTypeK: "f32", cacheTypeV: "f32", chunkLength: 64 });
      const long = randomPrompt(1200);
      assertSame(await model.branchLogProbabilities(long, BRANCHES), await oneByOne(model, long));
    });
  });

  describe("in a cache of", () => {
    const { load } = useRandomModels(folder);

    for (const [name, settings] of Object.entries(settingsOf))
      it(`${name} say what each says alone`, async () => {
        const expected = await oneByOne(await load(settings));
        const model = await load(settings);
        assertSame(await model.branchLogProbabilities(PROMPT, BRANCHES), expected);
      });

    it("evicted tokens say what each says alone behind a prompt that was read anew", async () => {
      const bounded = { cachePolicy: "streaming-llm", cacheBudget: 32, chunkLength: 16 };
      const model = await load(bounded);
      const [branch] = BRANCHES.slice(-1);
      assert.ok(branch);
      const alone = await model.logProbabilities([...PROMPT, ...branch.tokens], branch.wanted);
      const fresh = await load(bounded);
      const [found] = await fresh.branchLogProbabilities(PROMPT, [branch]);
      assertClose(found?.flat() ?? [], alone.flat(), 2e-3);
    });

    it("refuse tokens that are none, and end when they are stopped", async () => {
      const model = await load({});
      const wrong = [{ tokens: [1e6], wanted: [[1]] }];
      await assert.rejects(model.branchLogProbabilities(PROMPT, wrong), UserError);
      const signal = AbortSignal.abort();
      const stopped = model.branchLogProbabilities(PROMPT, BRANCHES, { signal });
      await assert.rejects(stopped, StoppedError);
      assert.deepEqual(await model.branchLogProbabilities(PROMPT, []), []);
    });
  });
});
