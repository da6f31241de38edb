// What a cache held when it was pinned, shared by every branch that goes on from there. A branch writes only slots of its
// own, behind the trunk's; rows of the trunk are copied at the first write to them, which only evictions and records do.

import type { Gpu } from "../gpu/device.ts";
import { type PlaneRows, planeRows } from "./cacheRows.ts";
import type { Plane } from "./cacheShape.ts";
import type { KvCache } from "./kvCache.ts";
import {
  type CacheOnGpu,
  type CacheState,
  type SnapshotPart,
  stateOf,
  takeState,
} from "./snapshot.ts";

export class Trunk {
  readonly state: CacheState;
  readonly #onGpu: CacheOnGpu;
  readonly #goBack: readonly (() => void)[];
  readonly #copies: Rows[] = [];
  /** Rows of the trunk were rewritten since it was last whole: a branch then holds all of its rows itself. */
  #isRewritten = false;
  #isIntact = true;

  /** Pin what the cache holds now, with the parts that belong to it. */
  constructor(onGpu: CacheOnGpu, parts: readonly SnapshotPart[] = []) {
    this.#onGpu = onGpu;
    this.state = stateOf(onGpu);
    this.#goBack = parts.map((part) => part.pin());
    const { cache } = onGpu;
    cache.watcher?.lost();
    cache.watcher = {
      tokens: this.state.tokens.length,
      willRewrite: () => this.#copyBeforeWrite(),
      lost: () => this.#release(),
    };
    // Every recorded pass adds to the sums of the slots in front of it.
    if (cache.planes.has("attentionSums")) this.#copy((plane) => plane === "attentionSums");
  }

  /** False once the cache has given up some of its tokens: it must be read or restored anew. */
  get isIntact(): boolean {
    return this.#isIntact;
  }

  /** Bytes on the GPU beside the cache. */
  get copiedBytes(): number {
    return this.#copies.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Begin a branch: the cache holds the trunk and nothing behind it. */
  reset(): void {
    this.#requireIntact();
    takeState(this.#onGpu, this.state);
    for (const copy of this.#copies) copy.restore();
    for (const goBack of this.#goBack) goBack();
    this.#isRewritten = false;
  }

  /** Give the trunk up; its tokens stay in the cache. */
  dispose(): void {
    this.#release();
  }

  #copyBeforeWrite(): void {
    if (this.#isRewritten) return;
    this.#isRewritten = true;
    const copied = new Set(this.#copies.map(({ plane }) => plane));
    this.#copy((plane) => !copied.has(plane));
  }

  #copy(isWanted: (plane: Plane) => boolean): void {
    const { cache } = this.#onGpu;
    const ends = this.state.headLengths;
    for (const plane of planeRows(cache))
      if (isWanted(plane.plane))
        this.#copies.push(new Rows(this.#onGpu, plane, ends[plane.layer] ?? []));
  }

  #release(): void {
    if (!this.#isIntact) return;
    this.#isIntact = false;
    this.#onGpu.cache.watcher = undefined;
    for (const copy of this.#copies.splice(0)) copy.dispose();
  }

  #requireIntact(): void {
    if (!this.#isIntact) throw new Error("the cache does not hold this trunk any more");
  }
}

/** A copy of the filled slots of each head of a plane, one head behind the other. */
class Rows {
  readonly plane: Plane;
  readonly bytes: number;
  readonly #gpu: Gpu;
  readonly #cache: KvCache;
  readonly #layer: number;
  readonly #ends: readonly number[];
  readonly #copy: GPUBuffer;

  constructor({ gpu, cache }: CacheOnGpu, from: PlaneRows, ends: readonly number[]) {
    this.plane = from.plane;
    this.#gpu = gpu;
    this.#cache = cache;
    this.#layer = from.layer;
    this.#ends = ends;
    this.bytes = from.slotBytes * ends.reduce((sum, slots) => sum + slots, 0);
    this.#copy = gpu.buffers.allocate({ purpose: "cache", bytes: this.bytes, label: "branch" });
    this.#move(from, "out");
  }

  /** Write the copy back; the cache may have grown since. */
  restore(): void {
    for (const rows of planeRows(this.#cache))
      if (rows.layer === this.#layer && rows.plane === this.plane) this.#move(rows, "in");
  }

  dispose(): void {
    this.#gpu.buffers.release(this.#copy);
  }

  #move({ buffer, slotBytes, firstRows }: PlaneRows, direction: "in" | "out"): void {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    let copyAt = 0;
    for (const [head, slots] of this.#ends.entries()) {
      const bytes = slots * slotBytes;
      if (bytes === 0) continue;
      const at = (firstRows[head] ?? 0) * slotBytes;
      if (direction === "out") encoder.copyBufferToBuffer(buffer, at, this.#copy, copyAt, bytes);
      else encoder.copyBufferToBuffer(this.#copy, copyAt, buffer, at, bytes);
      copyAt += bytes;
    }
    device.queue.submit([encoder.finish()]);
  }
}
