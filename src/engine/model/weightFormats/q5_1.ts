// Q5_1: blocks of 32 five-bit weights with halves for scale and min; the fifth bits are a word of their own.

import {
  allocatePlanes,
  blockPlaneBytes,
  highNibbles,
  lowNibbles,
  readWord,
  spreadFifthBits,
} from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 24;

export const q5_1: WeightFormat = {
  id: "q5_1",
  name: "Q5_1",
  ggmlType: 7,
  blockSize: 32,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES, out += 32) {
      const scale = readHalf(bytes, start);
      const min = readHalf(bytes, start + 2);
      const fifth = readWord(bytes, start + 4);
      for (let i = 0; i < 16; i++) {
        const pair = bytes[start + 8 + i]!;
        weights[out + i] = scale * ((pair & 15) | (((fifth >>> i) & 1) << 4)) + min;
        weights[out + i + 16] = scale * ((pair >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) + min;
      }
    }
  },
  planeBytes: blockPlaneBytes(32, 20, 4),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 5, 4);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      scales[block] = readWord(bytes, start);
      for (let unit = 0; unit < 2; unit++) {
        quants[5 * block + unit] = lowNibbles(bytes, start + 8 + 8 * unit);
        quants[5 * block + 2 + unit] = highNibbles(bytes, start + 8 + 8 * unit);
      }
      quants[5 * block + 4] = spreadFifthBits(readWord(bytes, start + 4));
    }
    return { quants, scales };
  },
};
