// IEEE half precision on the host: exact decoding, encoding rounded to nearest even.

// Scratch that shows a float's bits; nothing is kept in it between calls.
const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** Value of every half, by its 16 bits. */
export const HALF_VALUES = Float32Array.from({ length: 65536 }, (_, bits) => halfValue(bits));

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** Half at `offset` of `bytes`, little-endian. */
export function readHalf(bytes: Uint8Array, offset: number): number {
  // The table has every 16-bit index, and callers read inside their blocks.
  return HALF_VALUES[bytes[offset]! | (bytes[offset + 1]! << 8)]!;
}

/** The 16 bits of the half nearest to `value`; ties go to even, overflow to infinity. */
export function halfBits(value: number): number {
  FLOAT[0] = value;
  const bits = BITS[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 lets the float unit round at the half's last place, 2^-24.
    FLOAT[0] = Math.abs(FLOAT[0]!) + 0.5;
    return sign | (BITS[0]! - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** Write `value` as a half at `offset` of `bytes` and return what a reader will see. */
export function writeHalf(bytes: Uint8Array, offset: number, value: number): number {
  const bits = halfBits(value);
  bytes[offset] = bits & 255;
  bytes[offset + 1] = bits >> 8;
  return HALF_VALUES[bits]!;
}
