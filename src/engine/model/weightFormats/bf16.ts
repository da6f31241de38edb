// BF16: the upper 16 bits of a single.

import { densePlaneBytes, denseRepack } from "./dense.ts";
import type { WeightFormat } from "./weightFormat.ts";

export const bf16: WeightFormat = {
  id: "bf16",
  name: "BF16",
  ggmlType: 30,
  blockSize: 1,
  blockBytes: 2,
  dequantize(bytes, weights) {
    const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
    for (let i = 0; i < bits.length; i++) {
      bits[i] = ((bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24)) >>> 0;
    }
  },
  planeBytes: densePlaneBytes(2),
  repack: denseRepack(2),
};
