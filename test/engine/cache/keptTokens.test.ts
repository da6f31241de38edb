// Which tokens a cache says it holds.

import assert from "node:assert/strict";
import { join } from "node:path";
import { loadModel } from "../../../src/engine/loadModel.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { assertClose } from "../../support/close.ts";
import { useGpu } from "../../support/gpu.ts";
import { randomPrompt, writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const NUM_TOKENS = 150;
const NUM_LAYERS = 2;
const bounded = { cacheBudget: 48, cacheSinks: 4, chunkLength: 32 };

describe("the tokens that a cache holds", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const gpu = useGpu();
  const folder = useTemporaryFolder();
  let path = "";
  before(async () => {
    path = join(folder(), "random.gguf");
    await writeRandomModel(path, { architecture: "llama", format: "f32" });
  });

  async function kept(settings: ModelSettings, mostBins = NUM_TOKENS) {
    const model = await loadModel(gpu(), path, settings);
    try {
      await model.keeper?.read(randomPrompt(NUM_TOKENS), {});
      const tokens = await model.keeper?.keptTokens(mostBins);
      assert.ok(tokens);
      assert.equal(tokens.kept.length, NUM_LAYERS);
      return tokens;
    } finally {
      model.dispose();
    }
  }

  it("are all of them under policy full", async () => {
    const { kept: layers, attention, edges } = await kept({}, 7);
    assert.deepEqual(edges, [0, 22, 43, 65, 86, 108, 129, 150]);
    for (const layer of layers) assertClose(layer, new Array(7).fill(1), 1e-6);
    assert.equal(attention, undefined);
  });

  it("are the first and the last under streaming-llm", async () => {
    const { kept: layers } = await kept({ ...bounded, cachePolicy: "streaming-llm" });
    const expected = Array.from({ length: NUM_TOKENS }, (_, i) =>
      i < 4 || i >= NUM_TOKENS - 44 ? 1 : 0,
    );
    for (const layer of layers) assert.deepEqual([...layer], expected);
  });

  for (const positionScheme of ["original", "in-cache"])
    it(`are as many as the budget under h2o, with the attention they received, positions ${positionScheme}`, async () => {
      const settings = { ...bounded, cachePolicy: "h2o", positionScheme };
      const { kept: layers, attention = [] } = await kept(settings);
      for (const [i, layer] of layers.entries()) {
        assertClose([layer.reduce((a, b) => a + b, 0)], [48], 1e-5);
        assert.ok(layer.slice(0, 4).every((held) => held === 1));
        assert.equal(layer.at(-1), 1);
        const attended = attention[i] ?? new Float32Array();
        assertClose([attended.reduce((a, b) => a + b, 0)], [1], 1e-5);
        for (const [token, held] of layer.entries())
          if (held === 0) assert.equal(attended[token], 0, "nothing is known of what is gone");
      }
      const binned = await kept(settings, 10);
      for (const [i, layer] of binned.kept.entries()) {
        const means = Array.from({ length: 10 }, (_, bin) => {
          const tokens = [...(layers[i]?.slice(15 * bin, 15 * bin + 15) ?? [])];
          return tokens.reduce((a: number, b: number) => a + b, 0) / 15;
        });
        assertClose(layer, means, 1e-5);
      }
    });
});
