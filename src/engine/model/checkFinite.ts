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
      return findExponent(bytes, 4, 0x7f80);
    case "bf16":
      return findExponent(bytes, 2, 0x7f80);
    case "f16":
      return findExponent(bytes, 2, 0x7c00);
  }
  for (const at of scaleOffsets[type] ?? [])
    for (let block = 0; block + blockBytes <= bytes.length; block += blockBytes)
      // The index lies inside the block, hence inside `bytes`.
      if ((bytes[block + at + 1]! & 0x7c) === 0x7c) return (block / blockBytes) * blockSize;
  return -1;
}

/** Little-endian floats keep sign and exponent in their last two bytes. */
function findExponent(bytes: Uint8Array, stride: number, mask: number): number {
  const high = mask >> 8;
  const low = mask & 255;
  for (let i = stride - 1; i < bytes.length; i += stride)
    // Both indices are at most i, which is inside.
    if ((bytes[i]! & high) === high && (bytes[i - 1]! & low) === low) return (i + 1) / stride - 1;
  return -1;
}
