import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { runnableTensorTypes, tensorTypes } from "../../../../src/engine/model/tensorTypes.ts";
import {
  type WeightFormatId,
  weightFormats,
} from "../../../../src/engine/model/weightFormats/index.ts";
import { rowBytes } from "../../../../src/engine/model/weightFormats/weightFormat.ts";
import { quantizeWeights } from "../../../support/quantizeWeights.ts";
import { randomFloats } from "../../../support/random.ts";

interface Golden {
  readonly blocks: string;
  readonly weights: string;
  readonly source?: string;
  readonly quantized?: string;
}

// The file is the sibling script's output, written in this shape.
const golden = JSON.parse(
  readFileSync(new URL("goldenWeights.json", import.meta.url), "utf8"),
) as Record<string, Golden>;

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const floatsOf = (hex: string) => new Float32Array(bytesOf(hex).buffer);

describe("weight formats", () => {
  for (const [id, format] of Object.entries(weightFormats)) {
    describe(format.name, () => {
      const expected = golden[format.name]!;

      it("decodes blocks to the very numbers that ggml gives", () => {
        const weights = floatsOf(expected.weights);
        const decoded = new Float32Array(weights.length);
        format.dequantize(bytesOf(expected.blocks), decoded);
        assert.deepEqual(decoded, weights);
      });

      it("encodes as ggml does, or close to the weights where ggml searches", () => {
        // Registry keys are ids.
        const weightFormatId = id as WeightFormatId;
        if (expected.source && expected.quantized) {
          const encoded = quantizeWeights(weightFormatId, floatsOf(expected.source));
          assert.equal(Buffer.from(encoded).toString("hex"), expected.quantized);
        }
        const weights = randomFloats(512, 3);
        const decoded = new Float32Array(512);
        format.dequantize(quantizeWeights(weightFormatId, weights), decoded);
        const error = weights.reduce((sum, w, i) => sum + (w - decoded[i]!) ** 2, 0) / 512;
        assert.ok(error < 0.006, `mean squared error ${error}`);
      });

      it("fills exactly the planes it announces", () => {
        for (const [numRows, rowLength] of [
          [1, 256],
          [3, 512],
          ...(format.blockSize === 1 ? ([[5, 172]] as const) : []),
        ] as const) {
          const bytes = new Uint8Array(numRows * rowBytes(format, rowLength));
          const planes = format.repack(bytes, numRows, rowLength);
          const planeBytes = format.planeBytes(numRows, rowLength);
          assert.equal(planes.quants.byteLength, planeBytes.quants);
          assert.equal(planes.scales?.byteLength ?? 0, planeBytes.scales);
        }
      });

      it("repacks an even number of rows piece by piece as at once", () => {
        const rowLength = format.blockSize === 1 ? 12 : format.blockSize;
        const bytes = quantizeWeights(id as WeightFormatId, randomFloats(4 * rowLength, 5));
        const whole = format.repack(bytes, 4, rowLength);
        const halves = [0, 1].map((half) =>
          format.repack(
            bytes.subarray((half * bytes.length) / 2, ((half + 1) * bytes.length) / 2),
            2,
            rowLength,
          ),
        );
        assert.deepEqual(
          halves.flatMap(({ quants }) => [...quants]),
          [...whole.quants],
        );
        assert.deepEqual(
          halves.flatMap(({ scales }) => [...(scales ?? [])]),
          [...(whole.scales ?? [])],
        );
      });
    });
  }

  it("agree with the tensor types of GGUF files", () => {
    for (const { id, ggmlType: code, blockSize, blockBytes } of Object.values(weightFormats)) {
      // Every format is a tensor type; the comparison would fail on undefined.
      assert.deepEqual(tensorTypes[id as WeightFormatId], { code, blockSize, blockBytes });
    }
    assert.deepEqual(Object.keys(weightFormats).sort(), [...runnableTensorTypes].sort());
  });

  it("refuses a row that is not a whole number of blocks", () => {
    assert.throws(() => rowBytes(weightFormats.q4_k, 320), /320 weights .* Q4_K blocks of 256/);
  });
});
