// Which parts of a text a cache still holds, layer by layer, and how much attention they received where the policy records it.
// Neighbouring tokens are taken together in bins, so that a long text costs no more than a short one.

import { planeRows } from "./cacheRows.ts";
import type { Plane } from "./cacheShape.ts";
import type { CacheOnGpu } from "./snapshot.ts";

export interface KeptTokens {
  /** First token of each bin, and the number of tokens as the end of the last. */
  readonly edges: readonly number[];
  /** Fraction of each bin's tokens that is held, mean over the KV heads: [layers][bins]. */
  readonly kept: readonly Float32Array[];
  /** Recorded attention to each bin, in sum 1 a layer: [layers][bins]; absent where none is recorded. */
  readonly attention?: readonly Float32Array[];
}

/** Read from the GPU which of its tokens the cache holds now, in at most `mostBins` bins. */
export async function keptTokens(onGpu: CacheOnGpu, mostBins: number): Promise<KeptTokens> {
  const { cache, eviction } = onGpu;
  const { tokensRead, planes } = cache;
  const numBins = Math.min(mostBins, tokensRead);
  const edges = Array.from({ length: numBins + 1 }, (_, bin) =>
    Math.ceil((bin * tokensRead) / numBins),
  );
  const recordedSlots = eviction?.samples.recordedSlots ?? 0;
  const positions = await readPlane(onGpu, "positions");
  const sums = await readPlane(onGpu, "attentionSums");
  const kept: Float32Array[] = [];
  const attention: Float32Array[] = [];
  for (const [layer, { lengths, listedTokens }] of cache.slots.entries()) {
    const held = new Float32Array(numBins);
    const attended = new Float32Array(numBins);
    // The tokens read since the last eviction are each head's last ones, in order.
    const fresh = tokensRead - listedTokens;
    for (const [head, slots] of lengths.entries()) {
      const listed = new Uint32Array(positions[layer]?.[head] ?? new ArrayBuffer(0));
      const recorded = new Float32Array(sums[layer]?.[head] ?? new ArrayBuffer(0));
      const summed = recordedSlots + slots - cache.length;
      for (let slot = 0; slot < slots; slot++) {
        const token = slot < slots - fresh ? (listed[slot] ?? 0) : tokensRead - (slots - slot);
        const bin = Math.floor((token * numBins) / tokensRead);
        held[bin] = (held[bin] ?? 0) + 1 / lengths.length;
        if (slot < summed) attended[bin] = (attended[bin] ?? 0) + (recorded[slot] ?? 0);
      }
    }
    kept.push(held.map((count, bin) => count / ((edges[bin + 1] ?? 0) - (edges[bin] ?? 0))));
    attention.push(normalised(attended));
  }
  return { edges, kept, ...(planes.has("attentionSums") && { attention }) };
}

/** The filled slots of each head: [layers][KV heads]; none where the cache has no such plane. */
async function readPlane({ gpu, cache }: CacheOnGpu, wanted: Plane): Promise<ArrayBuffer[][]> {
  const layers: ArrayBuffer[][] = [];
  for (const { layer, plane, buffer, slotBytes, firstRows } of planeRows(cache)) {
    if (plane !== wanted) continue;
    const heads: ArrayBuffer[] = [];
    for (const [head, firstRow] of firstRows.entries()) {
      const bytes = (cache.slots[layer]?.lengths[head] ?? 0) * slotBytes;
      heads.push(
        bytes === 0 ? new ArrayBuffer(0) : await gpu.read(buffer, firstRow * slotBytes, bytes),
      );
    }
    layers[layer] = heads;
  }
  return layers;
}

function normalised(values: Float32Array): Float32Array {
  const sum = values.reduce((total, value) => total + value, 0);
  return sum > 0 ? values.map((value) => value / sum) : values;
}
