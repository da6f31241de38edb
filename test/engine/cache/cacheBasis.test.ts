// Whole models with rotated and smoothed caches: the same predictions where nothing is quantised, and clear refusals.

import assert from "node:assert/strict";
import { join } from "node:path";
import { calibrateModel, calibrationSettings } from "../../../src/engine/calibrateModel.ts";
import { Engine } from "../../../src/engine/engine.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { loadModel } from "../../../src/engine/loadModel.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { assertClose } from "../../support/close.ts";
import { useGpu } from "../../support/gpu.ts";
import { randomPrompt, writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const TOKENS = randomPrompt(40);
const TEXT = "a b c d e f g h a b c d e f g h";

describe("models with a cache in another basis", function () {
  this.timeout(300_000);
  const gpu = useGpu();
  const folder = useTemporaryFolder();
  const signal = new AbortController().signal;
  // QK-norm, biases, and pairs side by side: λ comes behind the first two and is tied over the third.
  const architectures = ["qwen3", "qwen2", "llama"] as const;
  const pathOf = (architecture: string) => join(folder(), `${architecture}.gguf`);

  before(async () => {
    const engine = new Engine();
    try {
      for (const architecture of architectures) {
        const model = pathOf(architecture);
        await writeRandomModel(model, { architecture, format: "f32" });
        const settings = calibrationSettings({ model, cacheDir: folder() });
        const work = { observer: {}, signal };
        const found = await engine.use(settings, work, (opened) =>
          calibrateModel(opened, TEXT, { ...work, cacheDir: folder() }),
        );
        assert.ok(found.spread > 1 && found.tokens > 5);
      }
    } finally {
      await engine.dispose();
    }
  });

  async function score(architecture: string, settings: ModelSettings) {
    const types = { cacheTypeK: "f32", cacheTypeV: "f32", cacheDir: folder(), chunkLength: 16 };
    const model = await loadModel(gpu(), pathOf(architecture), { ...types, ...settings });
    try {
      const nll = await model.scoreTokens(TOKENS);
      return { nll, stats: model.cacheStats(), identity: model.keeper?.identity };
    } finally {
      model.dispose();
    }
  }

  for (const architecture of architectures)
    it(`${architecture} predicts the same`, async () => {
      const plain = await score(architecture, {});
      const smoothed = await score(architecture, { cacheSmoothing: "on" });
      assertClose(smoothed.nll, plain.nll, 1e-4);
      assert.equal(smoothed.stats.smoothing, true);
      const both = await score(architecture, { cacheSmoothing: "on", cacheRotation: "on" });
      assertClose(both.nll, plain.nll, 1e-4);
      assert.equal(both.stats.rotation, "on");
      assert.notDeepEqual(both.identity, smoothed.identity);
      assert.notDeepEqual(smoothed.identity, plain.identity);
    });

  it("evict the same tokens under a policy that looks at attention", async () => {
    const bounded = { cachePolicy: "h2o", cacheBudget: 20, positionScheme: "original" };
    const plain = await score("llama", bounded);
    const turned = await score("llama", { ...bounded, cacheRotation: "on", cacheSmoothing: "on" });
    assertClose(turned.nll, plain.nll, 1e-3);
  });

  it("move keys with their positions, values rotated and keys smoothed", async () => {
    const bounded = { cachePolicy: "streaming-llm", cacheBudget: 20, positionScheme: "in-cache" };
    const plain = await score("llama", bounded);
    const other = { cacheRotation: "values", cacheSmoothing: "on" };
    assertClose((await score("llama", { ...bounded, ...other })).nll, plain.nll, 1e-4);
    await assert.rejects(
      score("llama", { ...bounded, cacheRotation: "on" }),
      (error) => error instanceof UserError && /position scheme in-cache/.test(error.message),
    );
  });

  it("refuse to smooth what was not calibrated", async () => {
    await assert.rejects(
      score("llama", { cacheSmoothing: "on", cacheDir: join(folder(), "elsewhere") }),
      (error) => error instanceof UserError && /lectern calibrate/.test(error.message),
    );
  });
});
