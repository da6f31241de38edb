// Matrices as a model file would give them.

import type { MatrixSource } from "../../src/engine/model/gpuMatrix.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { rowBytes } from "../../src/engine/model/weightFormats/weightFormat.ts";
import { quantizeWeights } from "./quantizeWeights.ts";
import { randomFloats } from "./random.ts";

export interface TestMatrix {
  readonly source: MatrixSource;
  /** What the encoded weights decode to [rows, cols]. */
  readonly weights: Float32Array;
}

/** A random matrix encoded in a format; read in pieces of `pieceRows`, an even number. */
export function randomMatrix(
  format: WeightFormatId,
  rows: number,
  cols: number,
  { seed = 1, pieceRows = 64 } = {},
): TestMatrix {
  const bytes = quantizeWeights(format, randomFloats(rows * cols, seed));
  const weights = new Float32Array(rows * cols);
  weightFormats[format].dequantize(bytes, weights);
  const bytesPerRow = rowBytes(weightFormats[format], cols);
  const source: MatrixSource = {
    tensor: `random ${format}`,
    format,
    rows,
    cols,
    async *slices() {
      for (let firstRow = 0; firstRow < rows; firstRow += pieceRows) {
        const numRows = Math.min(pieceRows, rows - firstRow);
        const from = firstRow * bytesPerRow;
        yield { firstRow, numRows, bytes: bytes.subarray(from, from + numRows * bytesPerRow) };
      }
    },
  };
  return { source, weights };
}
