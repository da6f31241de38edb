// Encoders for every weight format, so that tests and random models can have weights in any of them. The formats with
// 32 weights a block round as ggml's reference; the K formats take plain minima and maxima where ggml searches.

import { quantizeF16 } from "../../src/engine/model/weightFormats/f16.ts";
import { quantizeF32 } from "../../src/engine/model/weightFormats/f32.ts";
import { writeHalf } from "../../src/engine/model/weightFormats/float16.ts";
import type { WeightFormatId } from "../../src/engine/model/weightFormats/index.ts";
import { quantizeQ8_0 } from "../../src/engine/model/weightFormats/q8_0.ts";

/** Encode weights, a whole number of blocks, in the format named by its registry id. */
export function quantizeWeights(id: WeightFormatId, weights: Float32Array): Uint8Array {
  return encoders[id](weights);
}

const encoders: Record<WeightFormatId, (weights: Float32Array) => Uint8Array> = {
  f32: quantizeF32,
  f16: quantizeF16,
  bf16: quantizeBf16,
  q8_0: quantizeQ8_0,
  q4_0: (weights) => quantizeCentred(weights, 4),
  q4_1: (weights) => quantizeWithMin(weights, 4),
  q5_0: (weights) => quantizeCentred(weights, 5),
  q5_1: (weights) => quantizeWithMin(weights, 5),
  q4_k: (weights) => quantizeSuperBlocks(weights, 4),
  q5_k: (weights) => quantizeSuperBlocks(weights, 5),
  q6_k: quantizeQ6_K,
};

function quantizeBf16(weights: Float32Array): Uint8Array {
  const bits = new Uint32Array(Float32Array.from(weights).buffer);
  return new Uint8Array(
    Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16).buffer,
  );
}

/** Q4_0 and Q5_0: the weight of largest magnitude, with its sign, becomes the lowest quant. */
function quantizeCentred(weights: Float32Array, numBits: number): Uint8Array {
  const centre = 2 ** (numBits - 1);
  return encodeBlocks(weights, numBits, 2, (block, bytes, at) => {
    const extreme = block.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    const scale = Math.fround(extreme / -centre);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeHalf(bytes, at, scale);
    return (weight) => Math.fround(Math.fround(weight * inverse) + centre + 0.5);
  });
}

/** Q4_1 and Q5_1: quants count from the block's minimum. */
function quantizeWithMin(weights: Float32Array, numBits: number): Uint8Array {
  return encodeBlocks(weights, numBits, 4, (block, bytes, at) => {
    const min = Math.min(...block);
    const scale = Math.fround(Math.fround(Math.max(...block) - min) / (2 ** numBits - 1));
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    writeHalf(bytes, at, scale);
    writeHalf(bytes, at + 2, min);
    return (weight) => Math.fround(Math.fround(Math.fround(weight - min) * inverse) + 0.5);
  });
}

/** Write blocks of 32: what `start` writes, the fifth bits if any, the nibbles of weights i and i + 16 in byte i. */
function encodeBlocks(
  weights: Float32Array,
  numBits: number,
  scaleBytes: number,
  start: (block: Float32Array, bytes: Uint8Array, at: number) => (weight: number) => number,
): Uint8Array {
  const nibblesAt = scaleBytes + (numBits === 5 ? 4 : 0);
  const blockBytes = nibblesAt + 16;
  const bytes = new Uint8Array((weights.length / 32) * blockBytes);
  for (let first = 0, at = 0; first < weights.length; first += 32, at += blockBytes) {
    const block = weights.subarray(first, first + 32);
    const round = start(block, bytes, at);
    for (const [i, weight] of block.entries()) {
      const quant = Math.min(2 ** numBits - 1, Math.floor(round(weight)));
      bytes[at + nibblesAt + (i & 15)]! |= (quant & 15) << (i < 16 ? 0 : 4);
      if (numBits === 5) bytes[at + scaleBytes + (i >> 3)]! |= (quant >> 4) << (i & 7);
    }
  }
  return bytes;
}

/** Q4_K and Q5_K: scale and min of each sub-block from its extremes, both rounded to six bits. */
function quantizeSuperBlocks(weights: Float32Array, numBits: number): Uint8Array {
  const maxQuant = 2 ** numBits - 1;
  const nibblesAt = numBits === 5 ? 48 : 16;
  const blockBytes = nibblesAt + 128;
  const bytes = new Uint8Array((weights.length / 256) * blockBytes);
  for (let first = 0, at = 0; first < weights.length; first += 256, at += blockBytes) {
    const subs = Array.from({ length: 8 }, (_, i) =>
      weights.subarray(first + 32 * i, first + 32 * i + 32),
    );
    const mins = subs.map((sub) => Math.max(0, -Math.min(...sub)));
    const scales = subs.map((sub, i) => Math.max(0, Math.max(...sub) + mins[i]!) / maxQuant);
    const d = writeHalf(bytes, at, Math.max(...scales) / 63);
    const dmin = writeHalf(bytes, at + 2, Math.max(...mins) / 63);
    for (const [s, sub] of subs.entries()) {
      const scale = d === 0 ? 0 : Math.min(63, Math.round(scales[s]! / d));
      const min = dmin === 0 ? 0 : Math.min(63, Math.round(mins[s]! / dmin));
      writeScaleAndMin(bytes, at + 4, s, scale, min);
      for (const [i, weight] of sub.entries()) {
        const steps = scale === 0 ? 0 : Math.round((weight + dmin * min) / (d * scale));
        const quant = Math.max(0, Math.min(maxQuant, steps));
        bytes[at + nibblesAt + 32 * (s >> 1) + i]! |= (quant & 15) << (4 * (s & 1));
        if (numBits === 5) bytes[at + 16 + i]! |= (quant >> 4) << s;
      }
    }
  }
  return bytes;
}

function writeScaleAndMin(bytes: Uint8Array, at: number, sub: number, scale: number, min: number) {
  if (sub < 4) {
    bytes[at + sub]! |= scale;
    bytes[at + sub + 4]! |= min;
  } else {
    bytes[at + sub + 4]! |= (scale & 15) | ((min & 15) << 4);
    bytes[at + sub - 4]! |= (scale >> 4) << 6;
    bytes[at + sub]! |= (min >> 4) << 6;
  }
}

function quantizeQ6_K(weights: Float32Array): Uint8Array {
  const bytes = new Uint8Array((weights.length / 256) * 210);
  for (let first = 0, at = 0; first < weights.length; first += 256, at += 210) {
    const subs = Array.from({ length: 16 }, (_, i) =>
      weights.subarray(first + 16 * i, first + 16 * i + 16),
    );
    const scales = subs.map((sub) => Math.max(...sub.map(Math.abs)) / 31);
    const d = writeHalf(bytes, at + 208, Math.max(...scales) / 127);
    for (const [s, sub] of subs.entries()) {
      const scale = d === 0 ? 0 : Math.min(127, Math.round(scales[s]! / d));
      bytes[at + 192 + s] = scale;
      for (const [i, weight] of sub.entries()) {
        const steps = scale === 0 ? 0 : Math.round(weight / (d * scale));
        const quant = Math.max(0, Math.min(63, steps + 32));
        const index = 16 * s + i;
        const half = index >> 7;
        const quarter = (index >> 5) & 3;
        const lane = index & 31;
        bytes[at + 64 * half + 32 * (quarter & 1) + lane]! |= (quant & 15) << (quarter < 2 ? 0 : 4);
        bytes[at + 128 + 32 * half + lane]! |= (quant >> 4) << (2 * quarter);
      }
    }
  }
  return bytes;
}
