// Q4_1: blocks of 32 four-bit weights with halves for scale and min.

import { allocatePlanes, blockPlaneBytes, highNibbles, lowNibbles, readWord } from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 20;

export const q4_1: WeightFormat = {
  id: "q4_1",
  name: "Q4_1",
  ggmlType: 3,
  blockSize: 32,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES, out += 32) {
      const scale = readHalf(bytes, start);
      const min = readHalf(bytes, start + 2);
      for (let i = 0; i < 16; i++) {
        const pair = bytes[start + 4 + i]!;
        weights[out + i] = scale * (pair & 15) + min;
        weights[out + i + 16] = scale * (pair >> 4) + min;
      }
    }
  },
  planeBytes: blockPlaneBytes(32, 16, 4),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 4, 4);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      scales[block] = readWord(bytes, start);
      for (let unit = 0; unit < 2; unit++) {
        quants[4 * block + unit] = lowNibbles(bytes, start + 4 + 8 * unit);
        quants[4 * block + 2 + unit] = highNibbles(bytes, start + 4 + 8 * unit);
      }
    }
    return { quants, scales };
  },
};
