// Q4_0: blocks of 32 four-bit weights around 8 with one half as scale.

import {
  allocatePlanes,
  blockPlaneBytes,
  highNibbles,
  lowNibbles,
  readHalfBits,
} from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 18;

export const q4_0: WeightFormat = {
  id: "q4_0",
  name: "Q4_0",
  ggmlType: 2,
  blockSize: 32,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES, out += 32) {
      const scale = readHalf(bytes, start);
      for (let i = 0; i < 16; i++) {
        const pair = bytes[start + 2 + i]!;
        weights[out + i] = scale * ((pair & 15) - 8);
        weights[out + i + 16] = scale * ((pair >> 4) - 8);
      }
    }
  },
  planeBytes: blockPlaneBytes(32, 16, 2),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 4, 2);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      scales[block >> 1]! |= readHalfBits(bytes, start) << (16 * (block & 1));
      for (let unit = 0; unit < 2; unit++) {
        quants[4 * block + unit] = lowNibbles(bytes, start + 2 + 8 * unit);
        quants[4 * block + 2 + unit] = highNibbles(bytes, start + 2 + 8 * unit);
      }
    }
    return { quants, scales };
  },
};
