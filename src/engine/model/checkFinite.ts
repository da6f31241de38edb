// Finds NaN and infinite weights while they are read: one would turn every logit into NaN without a word.
// Of a quantised block only the f16 scales can be non-finite, so only they are looked at.

import { type TensorType, tensorTypes } from "./tensorTypes.ts";

/** Where a block's f16 scales lie; absent for types without any. */
const scaleOffsets: Partial<Record<TensorType, readonly number[]>> = {
  q8_0: [0],
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
};

/** Index of the first weight (of the first block's first weight) that is NaN or infinite, or -1. `bytes` are whole blocks. */
export function findNonFinite(type: TensorType, bytes: Uint8Array): number {
  const { blockSize, blockBytes } = tensorTypes[type];
  switch (type) {
    case "f32":
      return findMasked(words32(bytes), 0x7f800000);
    case "bf16":
      return findMasked(words16(bytes), 0x7f80);
    case "f16":
      return findMasked(words16(bytes), 0x7c00);
  }
  for (const at of scaleOffsets[type] ?? [])
    for (let block = 0; block + blockBytes <= bytes.length; block += blockBytes)
      // The index lies inside the block, hence inside `bytes`.
      if ((bytes[block + at + 1]! & 0x7c) === 0x7c) return (block / blockBytes) * blockSize;
  return -1;
}

/** An exponent of all ones is infinite or no number. */
function findMasked(words: Uint16Array | Uint32Array, exponent: number): number {
  for (let i = 0; i < words.length; i++)
    // In bounds by the loop. Bit operations are signed in JavaScript; the masks stay positive.
    if ((words[i]! & exponent) === exponent) return i;
  return -1;
}

/** Words in the machine's order, which is the file's little-endian one wherever Node and WebGPU run. */
function words16(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, length } = aligned(bytes, 2);
  return new Uint16Array(buffer, byteOffset, length / 2);
}

function words32(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, length } = aligned(bytes, 4);
  return new Uint32Array(buffer, byteOffset, length / 4);
}

function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
}
