// F16: IEEE half precision.

import { densePlaneBytes, denseRepack } from "./dense.ts";
import { halfBits, readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

export const f16: WeightFormat = {
  id: "f16",
  name: "F16",
  ggmlType: 1,
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, weights) {
    for (let i = 0; i < weights.length; i++) weights[i] = readHalf(bytes, 2 * i);
  },
  planeBytes: densePlaneBytes(2),
  repack: denseRepack(2),
};

/** Encode weights as F16, rounded to nearest even. */
export function quantizeF16(weights: Float32Array): Uint8Array {
  return new Uint8Array(Uint16Array.from(weights, halfBits).buffer);
}
