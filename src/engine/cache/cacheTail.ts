// The tail of a cache on the GPU: for each layer the sinks and a ring of the newest tokens in f16. Saved caches carry it whole.

import type { Gpu } from "../gpu/device.ts";
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
  #pinned: readonly TailBuffers[] = [];

  constructor(gpu: Gpu, shape: TailShape, { numLayers, numKvHeads, headDim }: TailSizes) {
    this.#gpu = gpu;
    this.shape = shape;
    this.planeBytes = numKvHeads * (shape.sinks + shape.ring) * rowBytes("f16", headDim);
    this.layers = this.#allocate(numLayers);
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
    const read = async function* (gpu: Gpu, buffer: GPUBuffer, bytes: number) {
      yield new Uint8Array(await gpu.read(buffer, 0, bytes));
    };
    return this.#named().map(([name, buffer]) => ({
      name,
      pieces: read(this.#gpu, buffer, this.planeBytes),
    }));
  }

  fits(sections: SectionSource): boolean {
    return this.#named().every(([name]) => {
      const bytes = sections.pieceBytes(name);
      return bytes?.length === 1 && bytes[0] === this.planeBytes;
    });
  }

  async restore(sections: SectionSource): Promise<void> {
    for (const [name, buffer] of this.#named())
      this.#gpu.buffers.write(buffer, 0, await sections.read(name, 0));
  }

  pin(): () => void {
    if (this.#pinned.length === 0) this.#pinned = this.#allocate(this.layers.length);
    this.#copy(this.layers, this.#pinned);
    return () => this.#copy(this.#pinned, this.layers);
  }

  dispose(): void {
    for (const { keys, values } of [...this.layers, ...this.#pinned])
      for (const buffer of [keys, values]) this.#gpu.buffers.release(buffer);
  }

  #named(): [string, GPUBuffer][] {
    return this.layers.flatMap(({ keys, values }, layer): [string, GPUBuffer][] => [
      [`tail/${layer}/keys`, keys],
      [`tail/${layer}/values`, values],
    ]);
  }

  #allocate(numLayers: number): TailBuffers[] {
    const allocate = (): GPUBuffer =>
      this.#gpu.buffers.allocate({ purpose: "cache", bytes: this.planeBytes, label: "tail" });
    return Array.from({ length: numLayers }, () => ({ keys: allocate(), values: allocate() }));
  }

  #copy(from: readonly TailBuffers[], to: readonly TailBuffers[]): void {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    for (const [layer, source] of from.entries()) {
      const target = to[layer];
      if (target === undefined) throw new Error(`the tail has no layer ${layer}`);
      encoder.copyBufferToBuffer(source.keys, 0, target.keys, 0, this.planeBytes);
      encoder.copyBufferToBuffer(source.values, 0, target.values, 0, this.planeBytes);
    }
    device.queue.submit([encoder.finish()]);
  }
}
