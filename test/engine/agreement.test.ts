// Three computations of the same files agree: llama.cpp, a plain f64 reference, and the engine on the GPU. On every
// architecture in every weight format, and on what metadata can ask for beyond that. Wrong ones would be noticed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadModel } from "../../src/engine/loadModel.ts";
import { inspectModel } from "../../src/engine/model/models.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import {
  loadReferenceModel,
  type Mutations,
  referenceLogProbabilities,
} from "../reference/decoder.ts";
import { useGpu } from "../support/gpu.ts";
import { scoreWithLlamaCpp, useLlamaCpp } from "../support/llamaCpp.ts";
import {
  formatCases,
  llamaCppTolerance,
  longCases,
  type ModelCase,
  REFERENCE_TOLERANCE,
  variantCases,
} from "../support/modelCases.ts";
import { pilotPath } from "../support/pilot.ts";
import { meanDifference, meanEntropy, nllOf } from "../support/probabilities.ts";
import { randomPrompt, writeRandomModel } from "../support/randomModel.ts";
import { RANDOM_VOCABULARY_SIZE } from "../support/randomModelMetadata.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";
import { repositoryRoot } from "../support/testData.ts";

/** llama.cpp's contexts are at least this long, which decides between longrope's divisors. */
const MIN_CONTEXT_LENGTH = 256;
const NUM_CHUNKS_AT_LEAST = 3;

const allCases = [...formatCases, ...variantCases, ...longCases];
const inF32 = formatCases.filter(({ model }) => model.format === "f32");

/** Of a trained model's text: the reference reads them slowly. */
const NUM_REFERENCE_TOKENS = 12;

describe("log-probabilities", () => {
  const folder = useTemporaryFolder();
  const llamaCpp = useLlamaCpp();
  const computed = new Map<ModelCase, Expected>();

  interface Expected {
    readonly path: string;
    readonly tokens: readonly number[];
    readonly contextLength: number;
    readonly reference: Float64Array;
    /** Undefined where llama.cpp computes something else. */
    readonly llamaCpp: Float64Array | undefined;
    /** Mean entropy of the next token, in nat. */
    readonly entropy: number;
  }

  /** Write the case's model and have reference and llama.cpp score a prompt, once for all tests. */
  async function expected(modelCase: ModelCase): Promise<Expected> {
    const known = computed.get(modelCase);
    if (known !== undefined) return known;
    const { model, numTokens, llamaCppDiffers } = modelCase;
    const path = join(folder(), `${computed.size}.gguf`);
    await writeRandomModel(path, model);
    const tokens = randomPrompt(numTokens);
    const contextLength = Math.max(MIN_CONTEXT_LENGTH, numTokens);
    const rows = referenceLogProbabilities(await loadReferenceModel(path), tokens, {
      contextLength,
    });
    const result: Expected = {
      path,
      tokens,
      contextLength,
      reference: nllOf(rows, tokens),
      llamaCpp:
        llamaCppDiffers === undefined
          ? (await scoreWithLlamaCpp(llamaCpp(), path, tokens)).nll
          : undefined,
      entropy: meanEntropy(rows),
    };
    computed.set(modelCase, result);
    return result;
  }

  describe("of the reference", () => {
    for (const modelCase of allCases.filter(({ llamaCppDiffers }) => !llamaCppDiffers))
      it(`agree with llama.cpp on ${modelCase.name}`, async () => {
        const { reference, llamaCpp, entropy } = await expected(modelCase);
        assert.ok(llamaCpp);
        const difference = meanDifference(reference, llamaCpp);
        const tolerance = llamaCppTolerance(modelCase.model.format);
        assert.ok(difference <= tolerance, `${difference} nat apart on average`);
        assert.ok(entropy <= Math.log(RANDOM_VOCABULARY_SIZE) / 2, `entropy ${entropy} nat`);
      });

    const mistakes: Readonly<Record<string, Mutations>> = {
      "RoPE pairs taken the other way": { swapRopePairing: true },
      "queries shifted by one position": { queryPositionShift: 1 },
      "a dropped head": { droppedHead: 1 },
      "heads grouped with the wrong KV heads": { interleavedKvGroups: true },
      "a sliding window that is ignored": { ignoreSlidingWindow: true },
    };
    for (const [mistake, mutations] of Object.entries(mistakes))
      for (const modelCase of inF32) {
        if (mutations.ignoreSlidingWindow && modelCase.model.slidingWindow === undefined) continue;
        it(`would not agree with ${mistake} in ${modelCase.model.architecture}`, async () => {
          const { path, tokens, contextLength, llamaCpp } = await expected(modelCase);
          const model = await loadReferenceModel(path);
          const rows = referenceLogProbabilities(model, tokens, { contextLength, mutations });
          assert.ok(llamaCpp);
          const difference = meanDifference(nllOf(rows, tokens), llamaCpp);
          // Even the widest tolerance, that of quantised weights, has to notice.
          assert.ok(difference > llamaCppTolerance("q4_0"), `only ${difference} nat apart`);
        });
      }
  });

  describe("of the engine", () => {
    const gpu = useGpu();

    async function score(
      { path, tokens, contextLength }: Expected,
      settings: { cacheType: "f32" | "f16"; chunkLength?: number },
    ): Promise<Float32Array> {
      const { cacheType, chunkLength } = settings;
      const model = await loadModel(gpu(), path, {
        contextLength,
        cacheTypeK: cacheType,
        cacheTypeV: cacheType,
        ...(chunkLength === undefined ? {} : { chunkLength }),
      });
      try {
        return await model.scoreTokens(tokens);
      } finally {
        model.dispose();
      }
    }

    function assertAgrees(nll: Float32Array, modelCase: ModelCase, other: Expected): void {
      const fromReference = meanDifference(nll, other.reference);
      assert.ok(fromReference <= REFERENCE_TOLERANCE, `${fromReference} nat from the reference`);
      if (other.llamaCpp === undefined) return;
      const fromLlamaCpp = meanDifference(nll, other.llamaCpp);
      const tolerance = llamaCppTolerance(modelCase.model.format);
      assert.ok(fromLlamaCpp <= tolerance, `${fromLlamaCpp} nat from llama.cpp`);
    }

    for (const modelCase of allCases)
      it(`agree with the reference and llama.cpp on ${modelCase.name}`, async () => {
        const other = await expected(modelCase);
        assertAgrees(await score(other, { cacheType: "f32" }), modelCase, other);
      }).timeout(300_000);

    for (const [name, path, widened] of [
      ["the pilot", pilotPath, 1],
      // Its activations are larger than a random model's or the pilot's: llama.cpp, which rounds them to 8 bits, is 0.07 nat away.
      ["the embedded model", embeddedModelPath(), 4],
    ] as const)
      it(`agree with the reference and llama.cpp on ${name} and a real text`, async () => {
        const { tensors } = await inspectModel(path);
        const tolerance = widened * Math.max(...tensors.map(({ type }) => llamaCppTolerance(type)));
        const model = await loadModel(gpu(), path, { cacheTypeK: "f32", cacheTypeV: "f32" });
        try {
          const text = readFileSync(join(repositoryRoot, "LICENSE"), "utf8");
          const tokens = model.tokenizer.encode(text, { addSpecial: true });
          const own = await model.scoreTokens(tokens);
          const first = tokens.slice(0, NUM_REFERENCE_TOKENS);
          const rows = referenceLogProbabilities(await loadReferenceModel(path), first);
          const exact = meanDifference(own.subarray(0, first.length - 1), nllOf(rows, first));
          assert.ok(exact <= REFERENCE_TOLERANCE, `${exact} nat from the reference`);
          const theirs = await scoreWithLlamaCpp(llamaCpp(), path, tokens);
          const difference = meanDifference(own, theirs.nll);
          assert.ok(difference <= tolerance, `${difference} nat from llama.cpp`);
        } finally {
          model.dispose();
        }
      }).timeout(300_000);

    for (const modelCase of inF32)
      it(`agree with a cache in f16 on ${modelCase.model.architecture}`, async () => {
        const other = await expected(modelCase);
        assertAgrees(await score(other, { cacheType: "f16" }), modelCase, other);
      }).timeout(300_000);

    for (const modelCase of longCases)
      it(`agree over chunk boundaries on ${modelCase.name}`, async () => {
        const other = await expected(modelCase);
        const chunkLength = 4 * Math.floor(other.tokens.length / NUM_CHUNKS_AT_LEAST / 4);
        assertAgrees(await score(other, { cacheType: "f16", chunkLength }), modelCase, other);
      }).timeout(300_000);
  });
});
