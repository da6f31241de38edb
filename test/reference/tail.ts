// The keys and values that a query sees in a cache with a tail: quantised between the sinks and the tail, in f16 elsewhere.

import { TAIL_GROUP, type TailShape, tailStart } from "../../src/engine/cache/tail.ts";
import type { CacheTypeId } from "../../src/engine/cache/types.ts";
import { HALF_VALUES, halfBits } from "../../src/engine/model/weightFormats/float16.ts";
import { throughCache } from "./cacheTypes.ts";
import { packKivi4, unpackKivi4 } from "./kivi4.ts";

/** The rows [length, headDim] of a head as a query at the last of them sees them. */
export function throughTail(
  type: CacheTypeId,
  rows: Float32Array,
  { headDim, tail }: { readonly headDim: number; readonly tail: TailShape },
): Float32Array {
  const length = rows.length / headDim;
  const halves = rows.map((x) => HALF_VALUES[halfBits(x)] ?? Number.NaN);
  const settled = settledRows(type, rows, halves, { headDim, tail });
  const [start, end] = [tail.sinks * headDim, tailStart(tail, length) * headDim];
  return halves.map((half, i) => (i >= start && i < end ? (settled[i] ?? Number.NaN) : half));
}

/** What whole groups become; kivi4 quantises what the tail held. */
function settledRows(
  type: CacheTypeId,
  rows: Float32Array,
  halves: Float32Array,
  { headDim, tail }: { headDim: number; tail: TailShape },
): Float32Array {
  if (type !== "kivi4") return throughCache(type, rows);
  const settled = new Float32Array(rows.length);
  const size = TAIL_GROUP * headDim;
  for (let start = 0; start + size <= rows.length; start += size) {
    const ignored = start === 0 ? tail.sinks : 0;
    const words = packKivi4(halves.subarray(start, start + size), headDim, ignored);
    settled.set(unpackKivi4(words, headDim), start);
  }
  return settled;
}
