// Buffers that belong to a cache and are saved whole: as sections of a file, and as copies for what is pinned.

import type { Gpu } from "../gpu/device.ts";
import type { Section, SectionSource } from "./sectionFile.ts";

export class SavedBuffers {
  readonly #gpu: Gpu;
  readonly #buffers: ReadonlyMap<string, GPUBuffer>;
  #copies: readonly GPUBuffer[] = [];

  /** `buffers`: by the names of their sections. */
  constructor(gpu: Gpu, buffers: ReadonlyMap<string, GPUBuffer>) {
    this.#gpu = gpu;
    this.#buffers = buffers;
  }

  /** A section of one piece for each buffer, read from the GPU as it is asked for. */
  capture(): Section[] {
    const read = async function* (gpu: Gpu, buffer: GPUBuffer) {
      yield new Uint8Array(await gpu.read(buffer));
    };
    return [...this.#buffers].map(([name, buffer]) => ({ name, pieces: read(this.#gpu, buffer) }));
  }

  /** Whether the sections of a file are those of such buffers. */
  fits(sections: SectionSource): boolean {
    return [...this.#buffers].every(([name, { size }]) => {
      const bytes = sections.pieceBytes(name);
      return bytes?.length === 1 && bytes[0] === size;
    });
  }

  /** Throws DamagedError; the buffers are then not to be used. */
  async restore(sections: SectionSource): Promise<void> {
    for (const [name, buffer] of this.#buffers)
      this.#gpu.buffers.write(buffer, 0, await sections.read(name, 0));
  }

  /** Copy the buffers as they are now; the function returned copies them back. A later pin takes the copies' place. */
  pin(): () => void {
    const { buffers } = this.#gpu;
    const own = [...this.#buffers.values()];
    if (this.#copies.length === 0)
      this.#copies = own.map(({ size }) =>
        buffers.allocate({ purpose: "cache", bytes: size, label: "pinned" }),
      );
    this.#copy(own, this.#copies);
    return () => this.#copy(this.#copies, own);
  }

  /** Release the copies; the buffers are their owner's. */
  dispose(): void {
    for (const copy of this.#copies) this.#gpu.buffers.release(copy);
    this.#copies = [];
  }

  #copy(from: readonly GPUBuffer[], to: readonly GPUBuffer[]): void {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    for (const [i, source] of from.entries()) {
      const target = to[i];
      if (target) encoder.copyBufferToBuffer(source, 0, target, 0, source.size);
    }
    device.queue.submit([encoder.finish()]);
  }
}
