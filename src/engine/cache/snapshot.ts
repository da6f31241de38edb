// The whole state of a key-value cache in host memory: rows of every layer, which tokens they stand for, and what an eviction
// goes by. Restored, the model goes on as if it had never stopped.

import type { Gpu } from "../gpu/device.ts";
import type { Eviction } from "./eviction.ts";
import type { CacheCounters, KvCache, LayerCache, Plane } from "./kvCache.ts";

export interface CacheState extends CacheCounters {
  /** Slots whose recorded attention goes on. */
  readonly summedSlots: number;
  /** Of each layer, each of its planes: [KV heads, length, bytes of a slot]. */
  readonly parts: readonly Uint8Array[];
}

/** What a snapshot is taken of. */
export interface CacheOnGpu {
  readonly gpu: Gpu;
  readonly cache: KvCache;
  readonly eviction: Eviction | undefined;
}

/** Copy the cache to the host, behind everything submitted so far. */
export async function captureCache({ gpu, cache, eviction }: CacheOnGpu): Promise<CacheState> {
  const { capacity, length } = cache;
  const { numKvHeads } = cache.shape;
  const parts: Uint8Array[] = [];
  for (const { buffer, slotBytes } of planesOf(cache)) {
    const headBytes = length * slotBytes;
    const part = new Uint8Array(numKvHeads * headBytes);
    for (let head = 0; head < numKvHeads && headBytes > 0; head++) {
      const rows = await gpu.read(buffer, head * capacity * slotBytes, headBytes);
      part.set(new Uint8Array(rows), head * headBytes);
    }
    parts.push(part);
  }
  return { ...cache.counters, summedSlots: eviction?.summedSlots ?? 0, parts };
}

/** Bytes of each part that a cache with this many filled slots has. */
export function partSizes(cache: KvCache, length: number): number[] {
  const perLayer = [...cache.planes.values()].map(
    (slotBytes) => slotBytes * cache.shape.numKvHeads * length,
  );
  return Array.from({ length: cache.shape.numLayers }, () => perLayer).flat();
}

/** Fill the cache, which has room for it, with a state whose parts have the sizes of `partSizes`. */
export function restoreCache({ gpu, cache, eviction }: CacheOnGpu, state: CacheState): void {
  const { capacity } = cache;
  const { numKvHeads } = cache.shape;
  for (const [index, { buffer, slotBytes }] of [...planesOf(cache)].entries()) {
    const headBytes = state.length * slotBytes;
    const part = state.parts[index];
    if (part?.length !== numKvHeads * headBytes)
      throw new Error("a cache state has other parts than the cache");
    for (let head = 0; head < numKvHeads; head++) {
      const rows = part.subarray(head * headBytes, (head + 1) * headBytes);
      gpu.buffers.write(buffer, head * capacity * slotBytes, rows);
    }
  }
  markRestored({ cache, eviction }, state);
}

/** Go back to `state` where the slots it stands for are still as they were. */
export function markRestored(
  { cache, eviction }: Pick<CacheOnGpu, "cache" | "eviction">,
  state: CacheState,
): void {
  cache.restoreCounters(state);
  if (eviction) eviction.summedSlots = state.summedSlots;
}

function* planesOf(cache: KvCache): Generator<{ buffer: GPUBuffer; slotBytes: number }> {
  for (const layer of cache.layers)
    for (const [plane, slotBytes] of cache.planes)
      yield { buffer: bufferOf(layer, plane), slotBytes };
}

function bufferOf(layer: LayerCache, plane: Plane): GPUBuffer {
  const buffer = layer[plane];
  if (buffer === undefined) throw new Error(`a layer of the cache has no ${plane}`);
  return buffer;
}
