// F32: IEEE single precision, copied as it is.

import { densePlaneBytes, denseRepack } from "./dense.ts";
import type { WeightFormat } from "./weightFormat.ts";

export const f32: WeightFormat = {
  id: "f32",
  name: "F32",
  ggmlType: 0,
  blockSize: 1,
  blockBytes: 4,
  dequantize(bytes, weights) {
    new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength).set(bytes);
  },
  planeBytes: densePlaneBytes(4),
  repack: denseRepack(4),
};

/** Encode weights as F32. */
export function quantizeF32(weights: Float32Array): Uint8Array {
  return new Uint8Array(Float32Array.from(weights).buffer);
}
