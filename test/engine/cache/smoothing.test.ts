// SmoothAttention's factors, and a calibration on its way through the disk.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readCalibration, saveCalibration } from "../../../src/engine/cache/calibration.ts";
import { fileVersion, modelDigest } from "../../../src/engine/cache/modelDigest.ts";
import { largestMagnitudes, smoothingLambdas } from "../../../src/engine/cache/smoothing.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { rotate } from "../../reference/rope.ts";
import { assertClose } from "../../support/close.ts";
import { randomFloats } from "../../support/random.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

describe("smoothing", () => {
  it("finds the largest magnitude of each dimension of each head", () => {
    const keys = Float32Array.of(1, -5, 3, 2, /* second head */ 0, 1, -7, 0.5);
    const found = largestMagnitudes(keys, { numKvHeads: 2, headDim: 2 });
    assert.deepEqual([...found], [3, 5, 7, 1]);
  });

  it("ties the dimensions that RoPE turns together, and leaves the others alone", () => {
    const largest = Float32Array.of(16, 4, 1, 25, 9, 100);
    const half = smoothingLambdas(largest, 6, { dimension: 4, pairing: "half" });
    assert.deepEqual([...half], [4, 5, 4, 5, 3, 10]);
    const interleaved = smoothingLambdas(largest, 6, { dimension: 4, pairing: "interleaved" });
    assert.deepEqual([...interleaved], [4, 4, 5, 5, 3, 10]);
  });

  it("divides by nothing too small", () => {
    const rope = { dimension: 4, pairing: "half" } as const;
    assert.deepEqual([...smoothingLambdas(new Float32Array(4), 4, rope)], [1, 1, 1, 1]);
    const lambdas = smoothingLambdas(Float32Array.of(100, 0, 100, 0), 4, rope);
    assertClose(lambdas, [10, Math.sqrt(0.1), 10, Math.sqrt(0.1)], 1e-6);
  });

  for (const pairing of ["half", "interleaved"] as const)
    it(`leaves q·k as it was, in front of RoPE and behind it, with ${pairing} pairs`, () => {
      const rope = { dimension: 8, pairing };
      const [query, key] = [
        Float64Array.from(randomFloats(8, 1)),
        Float64Array.from(randomFloats(8, 2)),
      ];
      const lambdas = smoothingLambdas(Float32Array.from(randomFloats(8, 3), Math.abs), 8, rope);
      const table = { invFreq: Float64Array.of(1, 0.3, 0.1, 0.01), attentionFactor: 1 };
      const turn = (head: Float64Array, position: number) => rotate(head, position, table, pairing);
      const up = (head: Float64Array) => head.map((x, i) => x * (lambdas[i] ?? Number.NaN));
      const down = (head: Float64Array) => head.map((x, i) => x / (lambdas[i] ?? Number.NaN));
      const expected = dot(turn(query, 9), turn(key, 4));
      const before = dot(turn(up(query), 9), turn(down(key), 4));
      const behind = dot(up(turn(query, 9)), down(turn(key, 4)));
      assertClose([before, behind], [expected, expected], 1e-9);
    });
});

describe("a calibration on disk", () => {
  const folder = useTemporaryFolder();
  const shape = { numLayers: 2, numKvHeads: 1, headDim: 4 };
  const lambdas = [Float32Array.of(1, 2, 3, 4), Float32Array.of(0.5, 6, 7, 8)];

  async function saved(name: string) {
    const model = join(folder(), `${name}.gguf`);
    await writeFile(model, name);
    const version = await fileVersion(model);
    const digest = await modelDigest(model, { folder: folder(), version });
    assert.ok(digest);
    const place = { digest, folder: folder() };
    return { model, path: await saveCalibration({ tokens: 9, lambdas }, place) };
  }
  const read = (model: string, of = shape) => readCalibration(model, of, { folder: folder() });

  it("is read back for the file it was made of, by whatever name", async () => {
    const { model } = await saved("whole");
    assert.deepEqual(await read(model), { tokens: 9, lambdas });
    const copy = join(folder(), "copy.gguf");
    await writeFile(copy, await readFile(model));
    assert.deepEqual(await read(copy), { tokens: 9, lambdas });
  });

  it("is not found for another file, and the message says what to do", async () => {
    const other = join(folder(), "other.gguf");
    await writeFile(other, "other");
    await assert.rejects(
      read(other),
      (error) => error instanceof UserError && /lectern calibrate/.test(error.message),
    );
  });

  it("is refused where a byte of it changed, or the shape is another", async () => {
    const { model, path } = await saved("damaged");
    await assert.rejects(read(model, { ...shape, headDim: 8 }), /damaged/);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace('"tokens":9', '"tokens":8'));
    await assert.rejects(read(model), /damaged/);
    await writeFile(path, text.slice(0, -5));
    await assert.rejects(read(model), /damaged/);
  });
});

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
}
