// stories260K, a real trained model: our conversion, run by reference, llama.cpp and engine, writes the published story.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { convertModel } from "../../../src/engine/convert/convertModel.ts";
import { loadModel } from "../../../src/engine/loadModel.ts";
import { loadReferenceModel, referenceLogProbabilities } from "../../reference/decoder.ts";
import { useGpu } from "../../support/gpu.ts";
import { scoreWithLlamaCpp, useLlamaCpp } from "../../support/llamaCpp.ts";
import { meanDifference, nllOf } from "../../support/probabilities.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { testData } from "../../support/testData.ts";

const BOS = 1;
/** At the next step the two likeliest tokens are 0.0042 apart: rounding decides. */
const LAST_CERTAIN_STEP = 184;
const TOLERANCE = 0.05;

describe("stories260K", () => {
  const folder = useTemporaryFolder();
  const llamaCpp = useLlamaCpp();
  let tokens: number[];
  let paths: Record<"f32" | "f16" | "q8_0", string>;

  before(async function () {
    const source = testData(this, "weights/stories260K/stories260K.bin");
    const expected: unknown = JSON.parse(
      readFileSync(testData(this, "weights/stories260K/expected.json"), "utf8"),
    );
    tokens = [BOS, ...greedyIds(expected).slice(0, LAST_CERTAIN_STEP)];
    const convert = async (type: "f32" | "f16" | "q8_0"): Promise<string> => {
      const path = join(folder(), `stories260K-${type}.gguf`);
      await convertModel(source, path, { type });
      return path;
    };
    paths = { f32: await convert("f32"), f16: await convert("f16"), q8_0: await convert("q8_0") };
  });

  it("in F32 is written by the reference, token for token", async () => {
    const rows = referenceLogProbabilities(await loadReferenceModel(paths.f32), tokens);
    const greedy = rows.map((row) => row.indexOf(row.reduce((a, b) => Math.max(a, b))));
    assert.deepEqual(greedy.slice(0, -1), tokens.slice(1));
  });

  it("in F32 is written by llama.cpp, token for token", async () => {
    const { greedy } = await scoreWithLlamaCpp(llamaCpp(), paths.f32, tokens);
    assert.deepEqual(greedy.slice(0, -1), tokens.slice(1));
  });

  for (const type of ["f16", "q8_0"] as const)
    it(`in ${type} stays within ${TOLERANCE} nat of F32`, async () => {
      const nll = async (path: string): Promise<Float64Array> =>
        nllOf(referenceLogProbabilities(await loadReferenceModel(path), tokens), tokens);
      const difference = meanDifference(await nll(paths[type]), await nll(paths.f32));
      assert.ok(difference <= TOLERANCE, `${difference} nat apart on average`);
    });

  describe("on the GPU", () => {
    const gpu = useGpu();

    it("in F32 is written token for token", async () => {
      const model = await loadModel(gpu(), paths.f32, { cacheTypeK: "f32", cacheTypeV: "f32" });
      try {
        const written: number[] = [];
        const request = { prompt: [BOS], temperature: 0, maxTokens: LAST_CERTAIN_STEP };
        for await (const { token } of model.generate(request))
          if (token !== undefined) written.push(token);
        assert.deepEqual(written, tokens.slice(1));
      } finally {
        model.dispose();
      }
    }).timeout(300_000);

    it(`in F16 and Q8_0 stays within ${TOLERANCE} nat of F32`, async () => {
      const nll: Float32Array[] = [];
      for (const path of [paths.f32, paths.f16, paths.q8_0]) {
        const model = await loadModel(gpu(), path);
        nll.push(await model.scoreTokens(tokens));
        model.dispose();
      }
      const [f32, ...others] = nll;
      assert.ok(f32);
      for (const other of others) {
        const difference = meanDifference(other, f32);
        assert.ok(difference <= TOLERANCE, `${difference} nat apart on average`);
      }
    }).timeout(300_000);
  });
});

function greedyIds(expected: unknown): number[] {
  assert.ok(typeof expected === "object" && expected !== null && "greedy_ids_256" in expected);
  const ids = expected.greedy_ids_256;
  assert.ok(Array.isArray(ids) && ids.every((id) => typeof id === "number"));
  return ids;
}
