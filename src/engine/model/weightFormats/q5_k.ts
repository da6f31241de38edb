// Q5_K: Q4_K with a fifth bit for each weight, kept as 32 bytes in which bit s belongs to sub-block s.

import {
  allocatePlanes,
  blockPlaneBytes,
  highNibbles,
  lowNibbles,
  readScaleAndMin,
  readWord,
  repackScalesAndMins,
} from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 176;
const FIFTH_BITS = 16;
const QUANTS = 48;

export const q5_k: WeightFormat = {
  id: "q5_k",
  name: "Q5_K",
  ggmlType: 13,
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
          const low = (bytes[from + i]! >> (4 * (sub & 1))) & 15;
          const fifth = (bytes[start + FIFTH_BITS + i]! >> sub) & 1;
          weights[out++] = d * scale * (low | (fifth << 4)) - dmin * min;
        }
      }
    }
  },
  planeBytes: blockPlaneBytes(256, 160, 20),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 40, 20);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      repackScalesAndMins(bytes, start, scales, 5 * block);
      for (let sub = 0; sub < 8; sub++) {
        const nibbles = sub & 1 ? highNibbles : lowNibbles;
        const at = 40 * block + 5 * sub;
        for (let unit = 0; unit < 4; unit++) {
          quants[at + unit] = nibbles(bytes, start + QUANTS + 32 * (sub >> 1) + 8 * unit);
        }
        quants[at + 4] = gatherFifthBits(bytes, start + FIFTH_BITS, sub);
      }
    }
    return { quants, scales };
  },
};

/** Bit `sub` of 32 bytes in the order of spreadFifthBits: weight 8u + 4h + j in byte j, bit 4h + u. */
function gatherFifthBits(bytes: Uint8Array, offset: number, sub: number): number {
  let word = 0;
  for (let four = 0; four < 8; four++) {
    const bits = (readWord(bytes, offset + 4 * four) >>> sub) & 0x01010101;
    word |= bits << (4 * (four & 1) + (four >> 1));
  }
  return word;
}
