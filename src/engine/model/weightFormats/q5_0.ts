// Q5_0: blocks of 32 five-bit weights around 16 with one half as scale; the fifth bits are a word of their own.

import {
  allocatePlanes,
  blockPlaneBytes,
  highNibbles,
  lowNibbles,
  readHalfBits,
  readWord,
  spreadFifthBits,
} from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 22;

export const q5_0: WeightFormat = {
  id: "q5_0",
  name: "Q5_0",
  ggmlType: 6,
  blockSize: 32,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES, out += 32) {
      const scale = readHalf(bytes, start);
      const fifth = readWord(bytes, start + 2);
      for (let i = 0; i < 16; i++) {
        const pair = bytes[start + 6 + i]!;
        weights[out + i] = scale * (((pair & 15) | (((fifth >>> i) & 1) << 4)) - 16);
        weights[out + i + 16] = scale * (((pair >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) - 16);
      }
    }
  },
  planeBytes: blockPlaneBytes(32, 20, 2),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 5, 2);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      scales[block >> 1]! |= readHalfBits(bytes, start) << (16 * (block & 1));
      for (let unit = 0; unit < 2; unit++) {
        quants[5 * block + unit] = lowNibbles(bytes, start + 6 + 8 * unit);
        quants[5 * block + 2 + unit] = highNibbles(bytes, start + 6 + 8 * unit);
      }
      quants[5 * block + 4] = spreadFifthBits(readWord(bytes, start + 2));
    }
    return { quants, scales };
  },
};
