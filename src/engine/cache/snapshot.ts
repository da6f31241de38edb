// The state of a key-value cache: which tokens it stands for, and the rows of every layer as sections that are read and
// written piece by piece. Restored, the model goes on as if it had never stopped.

import type { Gpu } from "../gpu/device.ts";
import { planeRows } from "./cacheRows.ts";
import type { CacheCounters, Plane } from "./cacheShape.ts";
import type { Eviction } from "./eviction.ts";
import type { KvCache } from "./kvCache.ts";
import { readAhead } from "./readAhead.ts";
import type { Section, SectionSource } from "./sectionFile.ts";

export interface CacheState extends CacheCounters {
  /** Slots whose recorded attention goes on. */
  readonly summedSlots: number;
}

/** What a snapshot is taken of. */
export interface CacheOnGpu {
  readonly gpu: Gpu;
  readonly cache: KvCache;
  readonly eviction: Eviction | undefined;
}

/** State beside the rows that belongs to a cache, such as what was evicted: saved in sections of its own. */
export interface SnapshotPart {
  capture(): readonly Section[];
  /** Whether the sections of a file are those of such a part. */
  fits(sections: SectionSource): boolean;
  /** Throws DamagedError; what the part held before does not matter. */
  restore(sections: SectionSource): Promise<void>;
  /** Note the state now; the function returned goes back to it. */
  pin(): () => void;
}

// Small enough to hash between two turns of the event loop, large enough for a disk's speed.
const PIECE_BYTES = 512 * 1024;
const PIECES_AHEAD = 16;

/** What the cache stands for now. */
export function stateOf({ cache, eviction }: Pick<CacheOnGpu, "cache" | "eviction">): CacheState {
  return { ...cache.counters, summedSlots: eviction?.samples.recordedSlots ?? 0 };
}

/** Take up a state whose rows the buffers hold. */
export function takeState(
  { cache, eviction }: Pick<CacheOnGpu, "cache" | "eviction">,
  state: CacheState,
): void {
  cache.restoreCounters(state);
  if (eviction) eviction.samples.recordedSlots = state.summedSlots;
}

/** The rows of the cache as sections, read from the GPU as they are asked for; until then the cache must stay as it is. */
export function captureRows({ gpu, cache }: CacheOnGpu): Section[] {
  const filled = cache.slots.map(({ lengths }) => lengths);
  return [...planeRows(cache)].map(({ layer, plane, buffer, slotBytes, firstRows }) => {
    const ranges = piecesOf(slotBytes, filled[layer] ?? []);
    const read = async ({ head, first, slots }: RowRange) => {
      const offset = ((firstRows[head] ?? 0) + first) * slotBytes;
      return new Uint8Array(await gpu.read(buffer, offset, slots * slotBytes));
    };
    return { name: nameOf(layer, plane), pieces: readAhead(ranges, PIECES_AHEAD, read) };
  });
}

/** Slots that each layer's heads need to hold a state and `more` tokens behind it; the mean over the heads. */
export function slotsOfState({ headLengths }: CacheState, more: number): number[] {
  return headLengths.map((lengths) => {
    const total = lengths.reduce((sum, length) => sum + length, 0);
    return Math.ceil(total / lengths.length) + more;
  });
}

/** Whether sections hold the rows of such a cache in this state. */
export function rowsFit(cache: KvCache, state: CacheState, sections: SectionSource): boolean {
  const { numLayers, numKvHeads } = cache.shape;
  const { headLengths } = state;
  if (headLengths.length !== numLayers) return false;
  if (headLengths.some((lengths) => lengths.length !== numKvHeads)) return false;
  return headLengths.every((filled, layer) =>
    [...cache.planes].every(([plane, slotBytes]) => {
      const bytes = sections.pieceBytes(nameOf(layer, plane));
      const ranges = piecesOf(slotBytes, filled);
      return (
        bytes?.length === ranges.length &&
        ranges.every(({ slots }, i) => bytes[i] === slots * slotBytes)
      );
    }),
  );
}

/**
 * Write the first `wanted` slots of each head into the cache, which counts them already, from the rows of `state`.
 * @throws DamagedError; the rows are then not to be used
 */
export async function restoreRows(
  { gpu, cache }: CacheOnGpu,
  sections: SectionSource,
  { state, wanted }: { state: CacheState; wanted: number },
): Promise<void> {
  const filled = state.headLengths;
  const jobs = [...planeRows(cache)].flatMap((rows) =>
    piecesOf(rows.slotBytes, filled[rows.layer] ?? [])
      .map((range, piece) => ({ rows, range, piece }))
      .filter(({ range }) => range.first < wanted),
  );
  const read = async ({ rows, range, piece }: (typeof jobs)[number]) => ({
    rows,
    range,
    bytes: await sections.read(nameOf(rows.layer, rows.plane), piece),
  });
  for await (const { rows, range, bytes } of readAhead(jobs, PIECES_AHEAD, read)) {
    const { buffer, slotBytes, firstRows } = rows;
    const slots = Math.min(range.slots, wanted - range.first);
    const offset = ((firstRows[range.head] ?? 0) + range.first) * slotBytes;
    gpu.buffers.write(buffer, offset, bytes.subarray(0, slots * slotBytes));
  }
}

interface RowRange {
  readonly head: number;
  readonly first: number;
  readonly slots: number;
}

/** The pieces of a plane: head by head, so many of its filled slots at once. */
function piecesOf(slotBytes: number, filled: readonly number[]): RowRange[] {
  const most = Math.max(1, Math.floor(PIECE_BYTES / slotBytes));
  const ranges: RowRange[] = [];
  for (const [head, slots] of filled.entries())
    for (let first = 0; first < slots; first += most)
      ranges.push({ head, first, slots: Math.min(most, slots - first) });
  return ranges;
}

function nameOf(layer: number, plane: Plane): string {
  return `rows/${layer}/${plane}`;
}
