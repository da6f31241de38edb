// RoPE scalings beyond the trained length: the engine beside llama.cpp and the f64 reference, at the same context size.

import assert from "node:assert/strict";
import { join } from "node:path";
import { loadModel } from "../../src/engine/loadModel.ts";
import type { ModelSettings } from "../../src/protocol.ts";
import { loadReferenceModel, referenceNll } from "../reference/decoder.ts";
import { useGpu } from "../support/gpu.ts";
import { scoreWithLlamaCpp, useLlamaCpp } from "../support/llamaCpp.ts";
import { llamaCppTolerance, REFERENCE_TOLERANCE } from "../support/modelCases.ts";
import { meanDifference } from "../support/probabilities.ts";
import { type RandomModel, randomPrompt, writeRandomModel } from "../support/randomModel.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

const TRAINED = 128;
const LENGTH = 300;
const HEAD_DIM = 32;
const THETA = 10_000;
const base = {
  architecture: "llama",
  format: "f32",
  shape: {
    // As wide as the heads together: llama.cpp wants that of phi3.
    ...{ hiddenSize: 128, intermediateSize: 96, numHeads: 4, numKvHeads: 2, headDim: HEAD_DIM },
    contextLength: TRAINED,
  },
} as const;

interface Case {
  /** What llama.cpp and the reference run. */
  readonly model: RandomModel;
  /** What the engine is told beside the file: where it says less than llama.cpp's. */
  readonly settings?: ModelSettings;
}

/** The theta that NTK stretches the trained context with. */
function stretched(factor: number): number {
  return THETA * factor ** (HEAD_DIM / (HEAD_DIM - 2));
}

const cases: Readonly<Record<string, Case>> = {
  "none, far beyond training": { model: base, settings: { ropeScaling: "none" } },
  "yarn, which auto takes where the file has none": {
    model: {
      ...{ ...base, ropeScaling: "yarn" },
      shape: { ...base.shape, contextLength: 4 * TRAINED },
    },
    settings: { ropeFactor: 4 },
  },
  linear: { model: { ...base, ropeScaling: "linear" } },
  yarn: { model: { ...base, ropeScaling: "yarn" } },
  "llama3, divisors per pair": { model: { ...base, ropeScaling: "llama3" } },
  longrope: { model: { ...base, architecture: "phi3", ropeScaling: "longrope" } },
  "ntk, which llama.cpp gets as a frequency base": {
    model: { ...base, ropeBase: stretched(4) },
    settings: { ropeScaling: "ntk", ropeFactor: 4 },
  },
  "dynamic-ntk, the base that follows from the text's length": {
    model: { ...base, ropeBase: stretched(LENGTH / TRAINED) },
    settings: { ropeScaling: "dynamic-ntk" },
  },
};

describe(`RoPE scalings at ${LENGTH} tokens, trained on ${TRAINED}`, function () {
  this.timeout(300_000);
  const gpu = useGpu();
  const llamaCpp = useLlamaCpp();
  const folder = useTemporaryFolder();

  for (const [name, { model, settings }] of Object.entries(cases))
    it(`agree with llama.cpp and the reference: ${name}`, async () => {
      const path = join(folder(), "scaled.gguf");
      await writeRandomModel(path, model);
      const tokens = randomPrompt(LENGTH);
      const contextLength = LENGTH + 8;
      const theirs = await scoreWithLlamaCpp(llamaCpp(), path, tokens);
      const reference = referenceNll(await loadReferenceModel(path), tokens, { contextLength });
      // Where the engine scales by settings, its file is the one without.
      if (settings !== undefined) await writeRandomModel(path, base);
      const f32 = { cacheTypeK: "f32", cacheTypeV: "f32", contextLength };
      const loaded = await loadModel(gpu(), path, { ...f32, ...settings });
      try {
        const nll = await loaded.scoreTokens(tokens);
        const beyond = (values: ArrayLike<number>): Float64Array =>
          Float64Array.from(values).subarray(TRAINED);
        const fromTheirs = meanDifference(beyond(nll), beyond(theirs.nll));
        assert.ok(fromTheirs <= llamaCppTolerance("f32"), `${fromTheirs} nat from llama.cpp`);
        const fromReference = meanDifference(beyond(nll), beyond(reference));
        assert.ok(fromReference <= REFERENCE_TOLERANCE, `${fromReference} nat from the reference`);
      } finally {
        loaded.dispose();
      }
    });
});
