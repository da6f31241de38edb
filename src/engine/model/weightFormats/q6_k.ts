// Q6_K: super-blocks of 256 six-bit weights around 32; 16 sub-blocks of 16 with signed byte scales under one half.

import {
  allocatePlanes,
  blockPlaneBytes,
  highNibbles,
  lowNibbles,
  readHalfBits,
  readWord,
} from "./blocks.ts";
import { readHalf } from "./float16.ts";
import type { WeightFormat } from "./weightFormat.ts";

const BLOCK_BYTES = 210;
const UPPER_BITS = 128;
const SCALES = 192;
const D = 208;

export const q6_k: WeightFormat = {
  id: "q6_k",
  name: "Q6_K",
  ggmlType: 14,
  blockSize: 256,
  blockBytes: BLOCK_BYTES,
  dequantize(bytes, weights) {
    for (let start = 0, out = 0; start < bytes.length; start += BLOCK_BYTES) {
      const d = readHalf(bytes, start + D);
      for (let i = 0; i < 256; i++) {
        const { low, upper, shift } = locate(i >> 5);
        const nibble = (bytes[start + low + (i & 31)]! >> (shift & 4)) & 15;
        const top = (bytes[start + upper + (i & 31)]! >> shift) & 3;
        const scale = (bytes[start + SCALES + (i >> 4)]! << 24) >> 24;
        weights[out++] = d * scale * ((nibble | (top << 4)) - 32);
      }
    }
  },
  planeBytes: blockPlaneBytes(256, 192, 20),
  repack(bytes) {
    const { numBlocks, quants, scales } = allocatePlanes(bytes, BLOCK_BYTES, 48, 20);
    for (let block = 0; block < numBlocks; block++) {
      const start = block * BLOCK_BYTES;
      scales[5 * block] = readHalfBits(bytes, start + D);
      for (let i = 0; i < 4; i++) {
        scales[5 * block + 1 + i] = readWord(bytes, start + SCALES + 4 * i);
      }
      for (let sub = 0; sub < 8; sub++) {
        const { low, upper, shift } = locate(sub);
        const nibbles = shift & 4 ? highNibbles : lowNibbles;
        const at = 48 * block + 6 * sub;
        for (let unit = 0; unit < 4; unit++) {
          quants[at + unit] = nibbles(bytes, start + low + 8 * unit);
        }
        for (let pair = 0; pair < 2; pair++) {
          quants[at + 4 + pair] = gatherUpperBits(bytes, start + upper + 16 * pair, shift);
        }
      }
    }
    return { quants, scales };
  },
};

/** Where the 32 weights of sub-block `sub` of 8 lie: offsets of nibbles and upper bits, shift of the upper bits; nibbles are high if shift has bit 2. */
function locate(sub: number): { low: number; upper: number; shift: number } {
  const half = sub >> 2;
  return { low: 64 * half + 32 * (sub & 1), upper: UPPER_BITS + 32 * half, shift: 2 * (sub & 3) };
}

/** Upper bits of 16 weights: weight 8u + 4h + j in byte j, bits 4u + 2h and 4u + 2h + 1. */
function gatherUpperBits(bytes: Uint8Array, offset: number, shift: number): number {
  let word = 0;
  for (let four = 0; four < 4; four++) {
    word |= ((readWord(bytes, offset + 4 * four) >>> shift) & 0x03030303) << (2 * four);
  }
  return word;
}
