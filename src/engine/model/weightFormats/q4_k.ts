// Q4_K: super-blocks of 256 four-bit weights; 8 sub-blocks of 32 with six-bit scales and mins under two halves.

import {
  allocatePlanes,
  blockPlaneBytes,
  highNibbles,
  lowNibbles,
  readScaleAndMin,
  repackScalesAndMins,
} from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 144;
const QUANTS = 16;

export const q4_k: WeightFormat = {
  id: "q4_k",
  name: "Q4_K",
  ggmlType: 12,
  blockSize: 256,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES) {
      const d = readHalf(bytes, start);
      const dmin = readHalf(bytes, start + 2);
      for (let sub = 0; sub < 8; sub++) {
        const { scale, min } = readScaleAndMin(bytes, start + 4, sub);
        const from = start + QUANTS + 32 * (sub >> 1);
        for (let i = 0; i < 32; i++) {
          const quant = (bytes[from + i]! >> (4 * (sub & 1))) & 15;
          weights[out++] = d * scale * quant - dmin * min;
        }
      }
    }
  },
  planeBytes: blockPlaneBytes(256, 128, 20),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 32, 20);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      repackScalesAndMins(bytes, start, scales, 5 * block);
      for (let sub = 0; sub < 8; sub += 2) {
        for (let unit = 0; unit < 4; unit++) {
          const from = start + QUANTS + 16 * sub + 8 * unit;
          quants[32 * block + 4 * sub + unit] = lowNibbles(bytes, from);
          quants[32 * block + 4 * sub + 4 + unit] = highNibbles(bytes, from);
        }
      }
    }
    return { quants, scales };
  },
};
