// The CPU reference agrees with llama.cpp on every architecture and weight format, and would not if it were wrong.

import assert from "node:assert/strict";
import { join } from "node:path";
import { scoreWithLlamaCpp, useLlamaCpp } from "../support/llamaCpp.ts";
import {
  formatCases,
  llamaCppTolerance,
  longCases,
  type ModelCase,
  variantCases,
} from "../support/modelCases.ts";
import { meanDifference, meanEntropy, nllOf } from "../support/probabilities.ts";
import { RANDOM_VOCABULARY_SIZE, randomPrompt, writeRandomModel } from "../support/randomModel.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";
import {
  loadReferenceModel,
  type Mutations,
  type ReferenceOptions,
  referenceLogProbabilities,
} from "./decoder.ts";

/** llama.cpp's contexts are at least this long, which decides between longrope's divisors. */
const MIN_CONTEXT_LENGTH = 256;

describe("the CPU reference", () => {
  const folder = useTemporaryFolder();
  const llamaCpp = useLlamaCpp();

  async function compare(
    { model, numTokens }: ModelCase,
    options: ReferenceOptions = {},
  ): Promise<{ difference: number; entropy: number }> {
    const path = join(folder(), "model.gguf");
    await writeRandomModel(path, model);
    const tokens = randomPrompt(numTokens);
    const theirs = await scoreWithLlamaCpp(llamaCpp(), path, tokens);
    const rows = referenceLogProbabilities(await loadReferenceModel(path), tokens, {
      contextLength: Math.max(MIN_CONTEXT_LENGTH, numTokens),
      ...options,
    });
    return {
      difference: meanDifference(nllOf(rows, tokens), theirs.nll),
      entropy: meanEntropy(rows),
    };
  }

  const comparable = [...formatCases, ...variantCases, ...longCases].filter(
    ({ llamaCppDiffers }) => llamaCppDiffers === undefined,
  );
  for (const modelCase of comparable)
    it(`agrees with llama.cpp on ${modelCase.name}`, async () => {
      const { difference, entropy } = await compare(modelCase);
      const tolerance = llamaCppTolerance(modelCase.model.format);
      assert.ok(difference <= tolerance, `${difference} nat apart on average`);
      assert.ok(entropy <= Math.log(RANDOM_VOCABULARY_SIZE) / 2, `entropy ${entropy} nat`);
    });

  const mistakes: Readonly<Record<string, Mutations>> = {
    "RoPE pairs taken the other way": { swapRopePairing: true },
    "queries shifted by one position": { queryPositionShift: 1 },
    "a dropped head": { droppedHead: 1 },
    "heads grouped with the wrong KV heads": { interleavedKvGroups: true },
  };
  const subjects = formatCases.filter(({ model }) => model.format === "f32");
  for (const [mistake, mutations] of Object.entries(mistakes))
    for (const modelCase of subjects)
      it(`would notice ${mistake} in ${modelCase.model.architecture}`, async () => {
        const { difference } = await compare(modelCase, { mutations });
        assert.ok(difference > llamaCppTolerance("q4_0"), `only ${difference} nat apart`);
      });
  it("would notice a sliding window that is ignored", async () => {
    const gemma = subjects.find(({ model }) => model.architecture === "gemma3");
    assert.ok(gemma);
    const { difference } = await compare(gemma, { mutations: { ignoreSlidingWindow: true } });
    assert.ok(difference > llamaCppTolerance("q4_0"), `only ${difference} nat apart`);
  });
});
