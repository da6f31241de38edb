// Q8_0: blocks of 32 signed bytes with one half as scale.

import { allocatePlanes, blockPlaneBytes, readHalfBits, readWord } from "./blocks.ts";
import { readHalf, writeHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 34;

export const q8_0: WeightFormat = {
  id: "q8_0",
  name: "Q8_0",
  ggmlType: 8,
  blockSize: 32,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES) {
      const scale = readHalf(bytes, start);
      for (let i = 0; i < 32; i++) weights[out++] = scale * ((bytes[start + 2 + i]! << 24) >> 24);
    }
  },
  planeBytes: blockPlaneBytes(32, 32, 2),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 8, 2);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      scales[block >> 1]! |= readHalfBits(bytes, start) << (16 * (block & 1));
      for (let i = 0; i < 8; i++) quants[8 * block + i] = readWord(bytes, start + 2 + 4 * i);
    }
    return { quants, scales };
  },
};

/** Encode weights, a whole number of blocks, as Q8_0 with ggml's rounding (half away from zero). */
export function quantizeQ8_0(weights: Float32Array): Uint8Array {
  const bytes = new Uint8Array((weights.length / 32) * BLOCK_BYTES);
  for (let start = 0, out = 0; start < weights.length; start += 32, out += BLOCK_BYTES) {
    const block = weights.subarray(start, start + 32);
    const scale = Math.fround(block.reduce((max, w) => Math.max(max, Math.abs(w)), 0) / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeHalf(bytes, out, scale);
    for (const [i, weight] of block.entries()) {
      const scaled = Math.fround(weight * inverse);
      bytes[out + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  }
  return bytes;
}
