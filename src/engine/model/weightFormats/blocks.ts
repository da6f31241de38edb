// Bit shuffling shared by the block formats. A unit of 8 four-bit weights is one word: byte j holds weight j in its low
// and weight j + 4 in its high nibble, so that a kernel unpacks four weights with one mask.

import type { PlaneBytes } from "./weightFormat.ts";

const NIBBLES = 0x0f0f0f0f;

/** The little-endian word at `offset` of `bytes`. */
export function readWord(bytes: Uint8Array, offset: number): number {
  // Callers read inside their blocks.
  return (
    bytes[offset]! |
    (bytes[offset + 1]! << 8) |
    (bytes[offset + 2]! << 16) |
    (bytes[offset + 3]! << 24)
  );
}

/** The half's 16 bits at `offset` of `bytes`. */
export function readHalfBits(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8);
}

/** Unit of the low nibbles of the 8 bytes at `offset`. */
export function lowNibbles(bytes: Uint8Array, offset: number): number {
  return (readWord(bytes, offset) & NIBBLES) | ((readWord(bytes, offset + 4) & NIBBLES) << 4);
}

/** Unit of the high nibbles of the 8 bytes at `offset`. */
export function highNibbles(bytes: Uint8Array, offset: number): number {
  return (
    ((readWord(bytes, offset) >>> 4) & NIBBLES) | (readWord(bytes, offset + 4) & (NIBBLES << 4))
  );
}

/**
 * Fifth bits of 32 weights, bit i for weight i, as the kernels want them: weight 8u + 4h + j in byte j, bit 4h + u.
 */
export function spreadFifthBits(bits: number): number {
  let word = 0;
  for (let u = 0; u < 4; u++) {
    for (let h = 0; h < 2; h++) {
      const four = (bits >>> (8 * u + 4 * h)) & 15;
      // The product puts bit j of `four` at bit 8j.
      word |= ((four * 0x00204081) & 0x01010101) << (4 * h + u);
    }
  }
  return word;
}

/** Six-bit scale and min of the sub-block `index` of 8, from the 12 bytes at `offset` of a Q4_K or Q5_K block. */
export function readScaleAndMin(
  bytes: Uint8Array,
  offset: number,
  index: number,
): { scale: number; min: number } {
  const a = bytes[offset + index]!;
  const b = bytes[offset + index + 4]!;
  if (index < 4) return { scale: a & 63, min: b & 63 };
  const upperScale = bytes[offset + index - 4]! >> 6;
  return { scale: (b & 15) | (upperScale << 4), min: (b >> 4) | ((a >> 6) << 4) };
}

/** Scales of a Q4_K or Q5_K block as 5 words: the halves d and dmin, then scale and min bytes of the 8 sub-blocks. */
export function repackScalesAndMins(
  bytes: Uint8Array,
  offset: number,
  scales: Uint32Array,
  at: number,
) {
  scales[at] = readWord(bytes, offset);
  for (let pair = 0; pair < 4; pair++) {
    const even = readScaleAndMin(bytes, offset + 4, 2 * pair);
    const odd = readScaleAndMin(bytes, offset + 4, 2 * pair + 1);
    scales[at + 1 + pair] = even.scale | (even.min << 8) | (odd.scale << 16) | (odd.min << 24);
  }
}

/** `planeBytes` of a format with these bytes per block; the scale plane is rounded up to whole words. */
export function blockPlaneBytes(blockSize: number, quantBytes: number, scaleBytes: number) {
  return (numRows: number, rowLength: number): PlaneBytes => {
    const numBlocks = (numRows * rowLength) / blockSize;
    return {
      quants: numBlocks * quantBytes,
      scales: Math.ceil((numBlocks * scaleBytes) / 4) * 4,
    };
  };
}

/** Number of blocks in `bytes` and the word arrays of both planes for them. */
export function allocatePlanes(
  bytes: Uint8Array,
  blockBytes: number,
  quantWords: number,
  scaleBytes: number,
) {
  const numBlocks = bytes.length / blockBytes;
  return {
    numBlocks,
    quants: new Uint32Array(numBlocks * quantWords),
    scales: new Uint32Array(Math.ceil((numBlocks * scaleBytes) / 4)),
  };
}
