// A checkpoint's weights by role: where they lie in the file, in which pieces they come, what each architecture asks for.

import assert from "node:assert/strict";
import { join } from "node:path";
import { architectures } from "../../../src/engine/model/architectures/index.ts";
import { type ModelWeights, openModel } from "../../../src/engine/model/loadWeights.ts";
import { estimateMemory, requireMemory } from "../../../src/engine/model/memoryEstimate.ts";
import {
  type RandomModel,
  randomModelContents,
  writeRandomModel,
} from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

describe("the weights of a checkpoint", () => {
  const folder = useTemporaryFolder();

  async function withModel<T>(
    model: RandomModel,
    use: (weights: ModelWeights) => T | Promise<T>,
  ): Promise<T> {
    const path = join(folder(), "model.gguf");
    await writeRandomModel(path, model);
    const weights = await openModel(path);
    try {
      return await use(weights);
    } finally {
      await weights.close();
    }
  }

  async function bytesOf(weights: ModelWeights, role: "q" | "k" | "v"): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    const weight = weights.get(role, 0);
    assert.ok(weight);
    for await (const { bytes } of weight.slices()) pieces.push(bytes);
    return Buffer.concat(pieces);
  }

  for (const architecture of Object.keys(architectures) as (keyof typeof architectures)[])
    it(`of ${architecture} are all found, and account for every tensor`, () =>
      withModel({ architecture, format: "f32" }, (weights) => {
        const { tensors } = randomModelContents({ architecture, format: "f32" });
        assert.equal(weights.config.architecture, architecture);
        assert.deepEqual(
          new Set(weights.all().map(({ tensor }) => tensor)),
          new Set(tensors.map(({ name }) => name)),
        );
      }));

  it("come in slices of whole rows, a multiple of 64, whatever the limit", () =>
    withModel({ architecture: "llama", format: "q8_0" }, async (weights) => {
      const weight = weights.get("gate", 1);
      assert.ok(weight);
      assert.deepEqual([weight.rows, weight.cols, weight.rowBytes], [192, 128, 136]);
      for (const [limit, expected] of [
        [1, [64, 64, 64]],
        [136 * 130, [128, 64]],
        [1e9, [192]],
      ] as const) {
        const rows: number[] = [];
        for await (const { firstRow, numRows, bytes } of weight.slices(limit)) {
          assert.equal(
            firstRow,
            rows.reduce((a, b) => a + b, 0),
          );
          assert.equal(bytes.length, numRows * weight.rowBytes);
          rows.push(numRows);
        }
        assert.deepEqual(rows, expected);
      }
    }));

  it("stop coming when the signal fires", () =>
    withModel({ architecture: "llama", format: "f32" }, async (weights) => {
      const slices = weights.get("gate", 0)?.slices(1, AbortSignal.abort());
      await assert.rejects(slices?.next() ?? Promise.resolve(), { name: "StoppedError" });
    }));

  it("that share a tensor are its rows: phi3's q, k and v", () =>
    withModel({ architecture: "phi3", format: "f16" }, async (weights) => {
      const { tensors } = randomModelContents({ architecture: "phi3", format: "f16" });
      const fused = tensors.find(({ name }) => name === "blk.0.attn_qkv.weight");
      assert.ok(fused);
      const pieces: Uint8Array[] = [];
      for await (const piece of fused.data()) pieces.push(piece);
      const whole = Buffer.concat(pieces);
      const parts = await Promise.all(
        (["q", "k", "v"] as const).map((role) => bytesOf(weights, role)),
      );
      assert.deepEqual(Buffer.concat(parts), whole);
      assert.deepEqual(
        parts.map(({ length }) => length),
        [128 * 128 * 2, 64 * 128 * 2, 64 * 128 * 2],
      );
    }));

  it("of a tied output are the embedding", () =>
    withModel({ architecture: "llama", format: "f32", tiedOutput: true }, (weights) => {
      assert.ok(weights.config.tiedOutput);
      assert.equal(weights.get("output"), weights.get("embedding"));
      assert.equal(weights.all().filter(({ role }) => role === "output").length, 0);
    }));

  it("follow gemma3's pattern of five local layers and a global one", () =>
    withModel({ architecture: "gemma3", format: "f32", slidingWindow: 16 }, ({ config }) => {
      assert.deepEqual(
        config.layers.map(({ slidingWindow, rope }) => [slidingWindow, rope.theta]),
        [...Array(5).fill([16, 10000]), [undefined, 1000000]],
      );
      assert.equal(config.embeddingScale, Math.sqrt(128));
    }));

  it("that do not fit are refused with needed and available bytes", () =>
    withModel({ architecture: "llama", format: "f16" }, ({ config, bytes }) => {
      const context = { contextLength: 4096, bytesPerValue: 2 };
      const estimate = estimateMemory(config, bytes, context);
      assert.equal(estimate.cacheBytes, 2 * 2 * 2 * 32 * 2 * 4096);
      assert.doesNotThrow(() => requireMemory(estimate, estimate.totalBytes, "model.gguf"));
      assert.throws(
        () => requireMemory(estimate, 1000, "model.gguf"),
        new RegExp(`model.gguf needs .*${estimate.totalBytes} bytes.*1000 bytes.*available`),
      );
    }));
});
