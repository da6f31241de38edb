// Keys and values of the tokens read so far, one pair of buffers a layer: [numKvHeads, capacity, headDim].
// The cache knows which token each slot holds, so that a later prompt reuses the prefix it shares.

import type { CacheStats } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import type { CacheBuffers } from "../model/operations/attention.ts";
import { type CacheTypeId, rowBytes } from "./types.ts";

export interface KvCacheShape {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly typeK: CacheTypeId;
  readonly typeV: CacheTypeId;
  /** Slots it may grow to: the context length. */
  readonly maxSlots: number;
}

// Growing copies the whole cache: in steps of half its size it happens a few times a document.
const GROWTH = 1.5;
const SLOT_STEP = 256;

export class KvCache {
  readonly shape: KvCacheShape;
  readonly #gpu: Gpu;
  readonly #capacityBuffer: GPUBuffer;
  #layers: readonly CacheBuffers[] = [];
  #capacity = 0;
  #tokens: number[] = [];
  #tokensRead = 0;

  constructor(gpu: Gpu, shape: KvCacheShape) {
    this.#gpu = gpu;
    this.shape = shape;
    this.#capacityBuffer = gpu.buffers.allocate({
      purpose: "parameters",
      bytes: 4,
      usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
      label: "capacity",
    });
  }

  /** Slots that hold a token. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Buffers of each layer; other ones after `reserve` returned true. */
  get layers(): readonly CacheBuffers[] {
    return this.#layers;
  }

  /**
   * Make room for `slots`. Returns whether the buffers were replaced.
   * @throws UserError when the adapter cannot bind a layer of that size
   */
  reserve(slots: number): boolean {
    if (slots <= this.#capacity) return false;
    const wanted = Math.max(slots, Math.ceil(this.#capacity * GROWTH));
    const rounded = Math.ceil(wanted / SLOT_STEP) * SLOT_STEP;
    this.#grow(Math.max(slots, Math.min(rounded, this.shape.maxSlots)));
    return true;
  }

  /** Note that the next slots hold these tokens; the kernels store them. */
  append(tokens: readonly number[]): void {
    for (const token of tokens) this.#tokens.push(token);
    this.#tokensRead += tokens.length;
  }

  /** Forget every slot from `length` on. What was stored there is overwritten later. */
  truncate(length: number): void {
    this.#tokens.length = Math.min(length, this.#tokens.length);
  }

  /** Begin anew: nothing held, nothing read. */
  clear(): void {
    this.#tokens = [];
    this.#tokensRead = 0;
  }

  /** How many of `tokens` the cache holds already, from the first on. */
  sharedPrefix(tokens: readonly number[]): number {
    let shared = 0;
    while (shared < this.#tokens.length && this.#tokens[shared] === tokens[shared]) shared++;
    return shared;
  }

  stats(): CacheStats {
    const { numLayers, typeK, typeV } = this.shape;
    return {
      policy: "full",
      typeK,
      typeV,
      tokensRead: this.#tokensRead,
      tokensKept: this.length,
      bytes: this.#layerBytes(this.#capacity).reduce((sum, bytes) => sum + bytes, 0) * numLayers,
      bytesPerToken: this.#layerBytes(1).reduce((sum, bytes) => sum + bytes, 0) * numLayers,
    };
  }

  dispose(): void {
    for (const { keys, values } of this.#layers) {
      this.#gpu.buffers.release(keys);
      this.#gpu.buffers.release(values);
    }
    this.#gpu.buffers.release(this.#capacityBuffer);
  }

  /** Bytes of one layer's keys and values. */
  #layerBytes(slots: number): [keys: number, values: number] {
    const { numKvHeads, headDim, typeK, typeV } = this.shape;
    const rows = numKvHeads * slots;
    return [rows * rowBytes(typeK, headDim), rows * rowBytes(typeV, headDim)];
  }

  #grow(capacity: number): void {
    const [keyBytes, valueBytes] = this.#layerBytes(capacity);
    const limit = this.#gpu.device.limits.maxStorageBufferBindingSize;
    if (Math.max(keyBytes, valueBytes) > limit) {
      const [perSlot] = this.#layerBytes(1);
      throw new UserError(
        `A cache of ${capacity} tokens does not fit in one binding of this adapter: set the context length to ${Math.floor(limit / perSlot)} or less.`,
      );
    }
    const { buffers, device } = this.#gpu;
    const allocate = (bytes: number): GPUBuffer => buffers.allocate({ purpose: "cache", bytes });
    this.#layers = Array.from({ length: this.shape.numLayers }, (_, layer) => {
      const keys = allocate(keyBytes);
      const values = allocate(valueBytes);
      const old = this.#layers[layer];
      if (old !== undefined) {
        const encoder = device.createCommandEncoder();
        this.#copyHeads(encoder, { source: old.keys, target: keys, capacity, which: 0 });
        this.#copyHeads(encoder, { source: old.values, target: values, capacity, which: 1 });
        device.queue.submit([encoder.finish()]);
        // Freed once the copy has run; so the old and the new cache exist together one layer at a time.
        buffers.release(old.keys);
        buffers.release(old.values);
      }
      return { keys, values, capacity: this.#capacityBuffer };
    });
    this.#capacity = capacity;
    buffers.write(this.#capacityBuffer, 0, Uint32Array.of(capacity));
  }

  #copyHeads(
    encoder: GPUCommandEncoder,
    {
      source,
      target,
      capacity,
      which,
    }: { source: GPUBuffer; target: GPUBuffer; capacity: number; which: 0 | 1 },
  ): void {
    const { numKvHeads } = this.shape;
    const oldBytes = this.#layerBytes(this.#capacity)[which] / numKvHeads;
    const newBytes = this.#layerBytes(capacity)[which] / numKvHeads;
    for (let head = 0; head < numKvHeads; head++) {
      encoder.copyBufferToBuffer(source, head * oldBytes, target, head * newBytes, oldBytes);
    }
  }
}
