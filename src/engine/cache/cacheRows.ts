// Where the rows of a cache lie in its buffers: for each layer and plane the filled slots of each head. The one place that
// saving, restoring and branching know them from.

import type { KvCache, LayerCache, Plane } from "./kvCache.ts";

/** A plane of a layer: [numKvHeads, capacity] slots, of which those of each head that hold a token count. */
export interface PlaneRows {
  readonly layer: number;
  readonly plane: Plane;
  readonly buffer: GPUBuffer;
  /** Bytes of a slot of one head. */
  readonly slotBytes: number;
  /** Bytes from one head's first slot to the next's. */
  readonly headStride: number;
  readonly numHeads: number;
}

/** Every plane of every layer, in a fixed order. */
export function* planeRows(cache: KvCache): Generator<PlaneRows> {
  const { numKvHeads: numHeads } = cache.shape;
  for (const [layer, buffers] of cache.layers.entries())
    for (const [plane, slotBytes] of cache.planes) {
      const buffer = bufferOf(buffers, plane);
      const headStride = cache.capacity * slotBytes;
      yield { layer, plane, buffer, slotBytes, headStride, numHeads };
    }
}

function bufferOf(layer: LayerCache, plane: Plane): GPUBuffer {
  const buffer = layer[plane];
  if (buffer === undefined) throw new Error(`a layer of the cache has no ${plane}`);
  return buffer;
}
