// KIVI's 4-bit keys (arXiv:2402.02750, its packing along tokens) word by word: 32 tokens, each channel between its minimum and
// maximum in them, eight tokens a word with the first in the lowest bits. Steps and minima are rounded to 16 bits first.

import { HALF_VALUES, halfBits } from "../../src/engine/model/weightFormats/float16.ts";
import { roundHalfToEven } from "./rounding.ts";

export const KIVI_GROUP = 32;
const WORDS = KIVI_GROUP / 8;
const LARGEST_HALF = 65504;
/** Normal ones; smaller ones may read as 0. */
const SMALLEST_HALF = 2 ** -14;
const { fround } = Math;

/**
 * A group's words from its rows [32, headDim]: of each eight tokens a word a channel, then a word a channel with step and
 * minimum. The first `ignored` tokens do not widen the ranges.
 */
export function packKivi4(rows: Float32Array, headDim: number, ignored = 0): Uint32Array {
  const words = new Uint32Array((WORDS + 1) * headDim);
  for (let channel = 0; channel < headDim; channel++) {
    const values = Float32Array.from(
      { length: KIVI_GROUP },
      (_, token) => rows[token * headDim + channel] ?? Number.NaN,
    );
    const seen = values
      .subarray(ignored)
      .map((x) => Math.min(LARGEST_HALF, Math.max(-LARGEST_HALF, x)));
    const low = Math.min(...seen);
    const stepBits = halfBits(
      Math.max(SMALLEST_HALF, fround(fround(Math.max(...seen) - low) / 15)),
    );
    const lowBits = halfBits(Math.abs(low) < SMALLEST_HALF ? 0 : low);
    const inverse = fround(1 / half(stepBits));
    for (const [token, x] of values.entries()) {
      const quant = roundHalfToEven(fround(fround(x - half(lowBits)) * inverse));
      const word = Math.floor(token / 8) * headDim + channel;
      words[word]! |= Math.min(15, Math.max(0, quant)) << (4 * (token % 8));
    }
    words[WORDS * headDim + channel] = (lowBits << 16) | stepBits;
  }
  return words;
}

/** The rows [32, headDim] of a group's words. */
export function unpackKivi4(words: Uint32Array, headDim: number): Float32Array {
  return Float32Array.from({ length: KIVI_GROUP * headDim }, (_, i) => {
    const [token, channel] = [Math.floor(i / headDim), i % headDim];
    const range = words[WORDS * headDim + channel] ?? 0;
    const word = words[Math.floor(token / 8) * headDim + channel] ?? 0;
    const quant = (word >>> (4 * (token % 8))) & 15;
    return fround(fround(quant * half(range & 0xffff)) + half(range >>> 16));
  });
}

function half(bits: number): number {
  return HALF_VALUES[bits] ?? Number.NaN;
}
