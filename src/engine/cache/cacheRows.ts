// Where the rows of a cache lie in its buffers: for each layer and plane the filled slots of each head. The one place that
// saving, restoring, branching and mapping know them from.

import type { LayerCache, Plane } from "./cacheShape.ts";
import type { KvCache } from "./kvCache.ts";

/** A plane of a layer. */
export interface PlaneRows {
  readonly layer: number;
  readonly plane: Plane;
  readonly buffer: GPUBuffer;
  /** Bytes of a slot of one head. */
  readonly slotBytes: number;
  /** Row of each head's first slot. */
  readonly firstRows: readonly number[];
}

/** Every plane of every layer, in a fixed order. */
export function* planeRows(cache: KvCache): Generator<PlaneRows> {
  for (const [layer, buffers] of cache.layers.entries()) {
    const { firstRows } = cache.slots[layer] ?? { firstRows: [] };
    for (const [plane, slotBytes] of cache.planes)
      yield { layer, plane, buffer: bufferOf(buffers, plane), slotBytes, firstRows };
  }
}

function bufferOf(layer: LayerCache, plane: Plane): GPUBuffer {
  const buffer = layer[plane];
  if (buffer === undefined) throw new Error(`a layer of the cache has no ${plane}`);
  return buffer;
}
