// FlexGen's 4-bit groups (arXiv:2303.06865, section on compression) word by word: 64 values between minimum and maximum, even
// values in the high nibbles. Step and minimum are rounded to 16 bits before anything is quantised with them.

import { HALF_VALUES, halfBits } from "../../src/engine/model/weightFormats/float16.ts";
import { roundHalfToEven } from "./rounding.ts";

export const FLEXGEN_GROUP = 64;
const LARGEST_HALF = 65504;
/** Normal ones; smaller ones may read as 0. */
const SMALLEST_HALF = 2 ** -14;
const { fround } = Math;

/** Nine words of a group of 64 values. */
export function packFlexgen4(group: Float32Array): Uint32Array {
  const clamped = group.map((x) => Math.min(LARGEST_HALF, Math.max(-LARGEST_HALF, x)));
  const low = Math.min(...clamped);
  const stepBits = halfBits(
    Math.max(SMALLEST_HALF, fround(fround(Math.max(...clamped) - low) / 15)),
  );
  const lowBits = halfBits(Math.abs(low) < SMALLEST_HALF ? 0 : low);
  const [step, minimum] = [half(stepBits), half(lowBits)];
  const inverse = fround(1 / step);
  const words = new Uint32Array(FLEXGEN_GROUP / 8 + 1);
  for (const [i, x] of group.entries()) {
    const quant = roundHalfToEven(fround(fround(x - minimum) * inverse));
    const nibble = 2 * Math.floor(i / 2) + 1 - (i % 2);
    words[Math.floor(i / 8)]! |= Math.min(15, Math.max(0, quant)) << (4 * (nibble % 8));
  }
  words[FLEXGEN_GROUP / 8] = (lowBits << 16) | stepBits;
  return words;
}

/** The 64 values of a group's nine words. */
export function unpackFlexgen4(words: Uint32Array): Float32Array {
  const range = words[FLEXGEN_GROUP / 8] ?? 0;
  const [step, minimum] = [half(range & 0xffff), half(range >>> 16)];
  return Float32Array.from({ length: FLEXGEN_GROUP }, (_, i) => {
    const byte = ((words[Math.floor(i / 8)] ?? 0) >>> (8 * (Math.floor(i / 2) % 4))) & 255;
    return fround(fround((i % 2 === 0 ? byte >> 4 : byte & 15) * step) + minimum);
  });
}

function half(bits: number): number {
  return HALF_VALUES[bits] ?? Number.NaN;
}
