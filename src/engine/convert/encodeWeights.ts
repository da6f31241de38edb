// Encodes f32 weights for a GGUF file: as they are, as halves, or as Q8_0 blocks the way ggml rounds them.

import { writeHalf } from "../model/weightFormats/float16.ts";

export type EncodedType = "f32" | "f16" | "q8_0";

const Q8_BLOCK = 32;
const Q8_BLOCK_BYTES = 34;

/** Values in the given type, little-endian. For q8_0 their number is a multiple of 32. */
export function encodeWeights(values: Float32Array, type: EncodedType): Uint8Array {
  switch (type) {
    case "f32":
      return encodeFloats(values);
    case "f16":
      return encodeHalves(values);
    case "q8_0":
      return encodeQ8(values);
    default:
      return type satisfies never;
  }
}

function encodeFloats(values: Float32Array): Uint8Array {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeFloatLE(value, 4 * i);
  });
  return bytes;
}

function encodeHalves(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  values.forEach((value, i) => {
    writeHalf(bytes, 2 * i, value);
  });
  return bytes;
}

/** A block is an f16 scale, the largest magnitude / 127, and 32 signed bytes. */
function encodeQ8(values: Float32Array): Uint8Array {
  const numBlocks = values.length / Q8_BLOCK;
  const bytes = new Uint8Array(numBlocks * Q8_BLOCK_BYTES);
  for (let block = 0; block < numBlocks; block++) {
    const source = values.subarray(block * Q8_BLOCK, (block + 1) * Q8_BLOCK);
    const scale = source.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / 127;
    const at = block * Q8_BLOCK_BYTES;
    writeHalf(bytes, at, scale);
    source.forEach((value, i) => {
      // Quants follow the scale before it is rounded to f16, as ggml does. Halves round away from zero there.
      const quant = scale === 0 ? 0 : value / scale;
      bytes[at + 2 + i] = (Math.sign(quant) * Math.round(Math.abs(quant))) & 255;
    });
  }
  return bytes;
}
