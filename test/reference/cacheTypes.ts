// What the cache types make of a row of values: quantised and read back, in f32 steps as the kernels take them.

import type { CacheTypeId } from "../../src/engine/cache/types.ts";
import { FLEXGEN_GROUP, packFlexgen4, unpackFlexgen4 } from "./flexgen4.ts";
import { roundHalfToEven } from "./rounding.ts";

const BLOCK = 32;
const { fround } = Math;

/** A row as it is read back from a cache of this type. f16 is left to the tolerance of its tests. */
export function throughCache(type: CacheTypeId, row: Float32Array): Float32Array {
  switch (type) {
    case "f32":
    case "f16":
      return row;
    case "q8_0":
      return eachBlock(row, BLOCK, (block) => {
        const largest = block.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const scale = fround(largest / 127);
        return block.map((x) => scale * roundHalfToEven(fround(x * inverse(scale))));
      });
    case "q4_0":
      return eachBlock(row, BLOCK, (block) => {
        const largest = block.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
        const scale = fround(largest / -8);
        return block.map((x) => {
          const quant = Math.floor(fround(fround(x * inverse(scale)) + 8.5));
          return scale * (Math.min(15, Math.max(0, quant)) - 8);
        });
      });
    case "flexgen4":
      return eachBlock(row, FLEXGEN_GROUP, (block) => unpackFlexgen4(packFlexgen4(block)));
    case "kivi4":
      throw new Error("kivi4 holds tokens in groups, not rows: see throughTail");
    default:
      return type satisfies never;
  }
}

function inverse(scale: number): number {
  return scale === 0 ? 0 : fround(1 / scale);
}

function eachBlock(
  row: Float32Array,
  size: number,
  roundTrip: (block: Float32Array) => Float32Array,
): Float32Array {
  const result = new Float32Array(row.length);
  for (let start = 0; start < row.length; start += size)
    result.set(roundTrip(row.subarray(start, start + size)), start);
  return result;
}
