// One layer of the cache on the GPU: its planes, the table that says where its heads lie, and what the heads hold.

import { UserError } from "../errors.ts";
import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import type { KeyBiasBuffers } from "../model/operations/keyBias.ts";
import type { LayerCache, Plane } from "./cacheShape.ts";
import { LayerSlots, tableBytes } from "./layerSlots.ts";

export class CacheLayer {
  /** The bias that its keys are held without. */
  keyBias: KeyBiasBuffers | undefined;
  readonly #gpu: Gpu;
  readonly #planes: ReadonlyMap<Plane, number>;
  #slots: LayerSlots;
  #heads: GPUBuffer;
  #buffers: LayerCache | undefined;

  /** `planes`: bytes of a slot of one head, of everything the layer holds. */
  constructor(gpu: Gpu, numKvHeads: number, planes: ReadonlyMap<Plane, number>) {
    this.#gpu = gpu;
    this.#planes = planes;
    this.#slots = new LayerSlots(numKvHeads);
    this.#heads = this.#allocateTable();
  }

  /** What the heads hold. */
  get slots(): LayerSlots {
    return this.#slots;
  }

  /** Absent before it grew for the first time. */
  get buffers(): LayerCache | undefined {
    const { keyBias } = this;
    return this.#buffers && { ...this.#buffers, ...(keyBias && { keyBias }) };
  }

  /**
   * Make room for so many slots of each head, if all hold the same number.
   * @throws UserError when the adapter cannot bind a layer of that size
   */
  grow(capacity: number): void {
    const old = this.#buffers;
    const { firstRows } = this.#slots;
    const grown = { ...this.#allocatePlanes(capacity), heads: this.#heads };
    this.#slots.grow(capacity);
    if (old !== undefined) {
      this.#copyHeads({ layer: old, firstRows }, grown);
      // Freed once the copy has run; so the old and the new cache exist together one layer at a time.
      this.#release(old);
    }
    this.#buffers = grown;
  }

  /**
   * Move to other buffers of this capacity, in which the heads hold `lengths` of the tokens read when `listedTokens` were.
   * `move` queues what fills them; `length` is that of a head without surplus then.
   */
  relay(
    { lengths, listedTokens, capacity, length }: Relay,
    move: (from: LayerCache, to: LayerCache) => void,
  ): void {
    const old = this.#buffers;
    if (old === undefined) throw new Error("a layer without buffers has nothing to move");
    const moved = { ...this.#allocatePlanes(capacity), heads: this.#allocateTable() };
    const slots = new LayerSlots(lengths.length);
    slots.grow(capacity);
    slots.hold(lengths, listedTokens);
    this.#gpu.buffers.write(moved.heads, 0, slots.table(length));
    move(old, moved);
    this.#release(old);
    this.#gpu.buffers.release(this.#heads);
    this.#slots = slots;
    this.#heads = moved.heads;
    this.#buffers = moved;
  }

  /** @throws UserError when the adapter cannot bind a layer of so many slots of each head */
  requireFit(capacity: number): void {
    const limit = this.#gpu.device.limits.maxStorageBufferBindingSize;
    const perSlot = this.#slots.lengths.length * Math.max(...this.#planes.values());
    if (perSlot * capacity <= limit) return;
    throw new UserError(
      `A cache of ${capacity} tokens does not fit in one binding of this adapter: set the context length to ${Math.floor(limit / perSlot)} or less.`,
    );
  }

  /** Queue the table for kernels whose steps count the slots of a head that holds `length`. */
  writeTable(length: number): void {
    this.#gpu.buffers.write(this.#heads, 0, this.#slots.table(length));
  }

  dispose(): void {
    if (this.#buffers !== undefined) this.#release(this.#buffers);
    this.#gpu.buffers.release(this.#heads);
  }

  #allocateTable(): GPUBuffer {
    return this.#gpu.buffers.allocate({
      purpose: "parameters",
      bytes: tableBytes(this.#slots.lengths.length),
      usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
      label: "heads",
    });
  }

  #allocatePlanes(capacity: number): Omit<LayerCache, "heads" | "keyBias"> {
    this.requireFit(capacity);
    const numHeads = this.#slots.lengths.length;
    const planes = [...this.#planes].map(([plane, rowBytes]): [Plane, GPUBuffer] => [
      plane,
      this.#gpu.buffers.allocate({ purpose: "cache", bytes: numHeads * capacity * rowBytes }),
    ]);
    // Every layer has keys and values.
    return Object.fromEntries(planes) as Omit<LayerCache, "heads" | "keyBias">;
  }

  /** Copy what the heads hold to where they lie now. */
  #copyHeads(
    source: { readonly layer: LayerCache; readonly firstRows: readonly number[] },
    target: LayerCache,
  ): void {
    const { device } = this.#gpu;
    const { lengths, firstRows } = this.#slots;
    const encoder = device.createCommandEncoder();
    for (const [plane, rowBytes] of this.#planes) {
      const [from, to] = [source.layer[plane], target[plane]];
      if (!from || !to) throw new Error(`a layer of the cache has no ${plane}`);
      for (const [head, length] of lengths.entries()) {
        const [first, target] = [source.firstRows[head] ?? 0, firstRows[head] ?? 0];
        const bytes = length * rowBytes;
        if (bytes > 0)
          encoder.copyBufferToBuffer(from, first * rowBytes, to, target * rowBytes, bytes);
      }
    }
    device.queue.submit([encoder.finish()]);
  }

  #release(layer: LayerCache): void {
    for (const plane of this.#planes.keys()) {
      const buffer = layer[plane];
      if (buffer !== undefined) this.#gpu.buffers.release(buffer);
    }
  }
}

/** What a layer's heads hold behind an eviction, and room for so many slots of each, if all held the same number. */
export interface Relay {
  readonly lengths: readonly number[];
  readonly listedTokens: number;
  readonly capacity: number;
  readonly length: number;
}
