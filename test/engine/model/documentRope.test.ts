// Dynamic NTK through a model: theta follows the document that is read, stays while the cache goes on, and is told.

import assert from "node:assert/strict";
import { join } from "node:path";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import { loadModel } from "../../../src/engine/loadModel.ts";
import type { ModelSettings, RunStats } from "../../../src/protocol.ts";
import { assertClose } from "../../support/close.ts";
import { useGpu } from "../../support/gpu.ts";
import { randomPrompt, writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const TRAINED = 64;
const F32 = { cacheTypeK: "f32", cacheTypeV: "f32", contextLength: 400, ropeScaling: "none" };
const DYNAMIC = { ...F32, ropeScaling: "dynamic-ntk" };

describe("a model with dynamic NTK", function () {
  this.timeout(300_000);
  const gpu = useGpu();
  const folder = useTemporaryFolder();
  const models: LanguageModel[] = [];
  let path: string;
  before(async () => {
    path = join(folder(), "random.gguf");
    const shape = { contextLength: TRAINED };
    await writeRandomModel(path, { architecture: "llama", format: "f32", shape });
  });
  afterEach(() => {
    for (const model of models.splice(0)) model.dispose();
  });

  async function load(settings: ModelSettings): Promise<LanguageModel> {
    const model = await loadModel(gpu(), path, settings);
    models.push(model);
    return model;
  }

  it("turns as trained in a short text, and as NTK of the text's own length in a long one", async () => {
    const model = await load(DYNAMIC);
    const short = randomPrompt(60);
    const long = randomPrompt(200);
    assertClose(await model.scoreTokens(short), await (await load(F32)).scoreTokens(short), 1e-6);
    assert.equal(model.cacheStats().ropeLength, 60);
    const ntk = await load({ ...F32, ropeScaling: "ntk", ropeFactor: 200 / TRAINED });
    assertClose(await model.scoreTokens(long), await ntk.scoreTokens(long), 1e-5);
    assert.equal(model.cacheStats().ropeLength, 200);
  });

  it("takes no cache for its own that was read under the NTK of the whole context", async () => {
    const fixed = await load({ ...F32, ropeScaling: "ntk" });
    const [own, other] = [await load(DYNAMIC), fixed].map(({ keeper }) => keeper?.identity);
    assert.equal(own?.rope, other?.rope, "both begin with the same frequencies");
    assert.notDeepEqual(own, other);
  });

  it("goes on with the theta that the cached keys were turned by, and begins the next text with its own", async () => {
    const model = await load(DYNAMIC);
    const prompt = randomPrompt(150);
    const first = await generate(model, prompt);
    const more = [...prompt, ...first.tokens, ...randomPrompt(40, 9)];
    const second = await generate(model, more);
    assert.equal(second.stats.cache.ropeLength, 150);
    const fixed = await load({ ...F32, ropeScaling: "ntk", ropeFactor: 150 / TRAINED });
    assert.deepEqual(second.tokens, (await generate(fixed, more)).tokens);
    assert.equal((await generate(model, randomPrompt(90, 3))).stats.cache.ropeLength, 90);
  });
});

async function generate(
  model: LanguageModel,
  prompt: readonly number[],
): Promise<{ tokens: number[]; stats: RunStats }> {
  const stream = model.generate({ prompt, maxTokens: 6, ignoreEnd: true });
  const tokens: number[] = [];
  for (;;) {
    const { done, value } = await stream.next();
    if (done) return { tokens: tokens.slice(0, value.generatedTokens), stats: value };
    if (value.token !== undefined) tokens.push(value.token);
  }
}
