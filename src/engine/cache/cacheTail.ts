// The tail of a cache on the GPU: for each layer the sinks and a ring of the newest tokens in f16. Saved caches carry it whole.

import type { Gpu } from "../gpu/device.ts";
import { SavedBuffers } from "./savedBuffers.ts";
import type { Section, SectionSource } from "./sectionFile.ts";
import type { SnapshotPart } from "./snapshot.ts";
import { STEPS_AHEAD, type TailShape, tailStart } from "./tail.ts";
import { rowBytes } from "./types.ts";

export interface TailBuffers {
  /** [numKvHeads, sinks + ring, headDim] in f16. */
  readonly keys: GPUBuffer;
  readonly values: GPUBuffer;
}

interface TailSizes {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

export class CacheTail implements SnapshotPart {
  readonly shape: TailShape;
  readonly layers: readonly TailBuffers[];
  /** Bytes of a layer's keys, and of its values. */
  readonly planeBytes: number;
  readonly #gpu: Gpu;
  /** Slots written since the cache was empty. */
  #written = 0;
  readonly #saved: SavedBuffers;

  constructor(gpu: Gpu, shape: TailShape, { numLayers, numKvHeads, headDim }: TailSizes) {
    this.#gpu = gpu;
    this.shape = shape;
    this.planeBytes = numKvHeads * (shape.sinks + shape.ring) * rowBytes("f16", headDim);
    const allocate = (): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "cache", bytes: this.planeBytes, label: "tail" });
    this.layers = Array.from({ length: numLayers }, () => ({
      keys: allocate(),
      values: allocate(),
    }));
    const named = this.layers.flatMap(({ keys, values }, layer): [string, GPUBuffer][] => [
      [`tail/${layer}/keys`, keys],
      [`tail/${layer}/values`, values],
    ]);
    this.#saved = new SavedBuffers(gpu, new Map(named));
  }

  /** Bytes of all layers. */
  get bytes(): number {
    return 2 * this.planeBytes * this.layers.length;
  }

  /** Note that the cache holds `length` slots; 0 forgets all. */
  holdsSlots(length: number): void {
    this.#written = length === 0 ? 0 : Math.max(this.#written, length);
  }

  /** Note that the tail is as it was when the cache held `length` slots. */
  isAsOf(length: number): void {
    this.#written = length;
  }

  /** Whether the cache can go back to its first `length` slots: what their tail would be is still in the ring. */
  reaches(length: number): boolean {
    if (length === 0 || length === this.#written) return true;
    return tailStart(this.shape, length) >= this.#written + STEPS_AHEAD - this.shape.ring;
  }

  capture(): Section[] {
    return this.#saved.capture();
  }

  fits(sections: SectionSource): boolean {
    return this.#saved.fits(sections);
  }

  restore(sections: SectionSource): Promise<void> {
    return this.#saved.restore(sections);
  }

  pin(): () => void {
    return this.#saved.pin();
  }

  dispose(): void {
    this.#saved.dispose();
    for (const { keys, values } of this.layers)
      for (const buffer of [keys, values]) this.#gpu.buffers.release(buffer);
  }
}
