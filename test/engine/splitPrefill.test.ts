// A model reads alike whether its attention is split over the slots or not.

import assert from "node:assert/strict";
import { join } from "node:path";
import { withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import type { ModelSettings } from "../../src/protocol.ts";
import { assertClose } from "../support/close.ts";
import { useGpu } from "../support/gpu.ts";
import { randomPrompt, writeRandomModel } from "../support/randomModel.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

// Enough for two parts.
const TOKENS = 1200;

describe("a model whose attention is split", function () {
  this.timeout(180_000);
  const folder = useTemporaryFolder();
  const gpus = [1, 1024].map((busyWorkgroups) =>
    useGpu({ restrict: (offered) => ({ ...withoutOptionalFeatures(offered), busyWorkgroups }) }),
  );
  before(() =>
    writeRandomModel(join(folder(), "random.gguf"), {
      architecture: "llama",
      format: "f32",
      shape: { hiddenSize: 32, intermediateSize: 32, numLayers: 1, headDim: 32 },
    }),
  );

  async function score(gpu: Gpu, settings: ModelSettings): Promise<Float32Array> {
    const shared = { contextLength: 2048, chunkLength: 64, ...settings };
    const model = await loadModel(gpu, join(folder(), "random.gguf"), shared);
    try {
      const scores = await model.scoreTokens(randomPrompt(TOKENS));
      await gpu.finished();
      return scores;
    } finally {
      model.dispose();
    }
  }

  const cases: ModelSettings[] = [
    { cacheTypeK: "f32", cacheTypeV: "f32" },
    // Beside a tail and for a policy the log-sum-exps are wanted.
    { cacheTypeK: "q8_0", cacheTypeV: "f16", cacheResidual: 64 },
    { cacheTypeK: "f32", cacheTypeV: "f32", cachePolicy: "h2o", cacheBudget: 1100 },
  ];
  for (const settings of cases) {
    it(`reads as without, ${JSON.stringify(settings)}`, async () => {
      const [whole, split] = [await score(gpus[0]!(), settings), await score(gpus[1]!(), settings)];
      assert.equal(whole.length, TOKENS - 1);
      assertClose(split, whole, 1e-4);
    });
  }
});
