// The summaries of all pages, on the GPU: of each layer [pages, KV heads, headDim] pairs of 16-bit floats, the smallest and the
// largest value of a dimension. All of a page that stays there: 4 bytes a dimension instead of a whole page of rows.

import { UserError } from "../../errors.ts";
import type { Gpu } from "../../gpu/device.ts";
import { PAGE_TOKENS } from "./pageLayout.ts";

const PAGE_STEP = 64;
const GROWTH = 1.5;

export class PageBounds {
  /** Bytes of a page's summaries of one layer. */
  readonly pageBytes: number;
  readonly #gpu: Gpu;
  #layers: GPUBuffer[];
  #capacity = 0;

  constructor(gpu: Gpu, shape: { numLayers: number; numKvHeads: number; headDim: number }) {
    this.#gpu = gpu;
    this.pageBytes = 4 * shape.numKvHeads * shape.headDim;
    this.#layers = Array.from({ length: shape.numLayers }, () => this.#allocate(0));
  }

  /** The summaries of a layer; another buffer after `reserve`. */
  of(layer: number): GPUBuffer {
    const buffer = this.#layers[layer];
    if (buffer === undefined) throw new Error(`there is no layer ${layer}`);
    return buffer;
  }

  /** Bytes on the GPU. */
  get bytes(): number {
    return this.#layers.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Make room for `pages`, of which the first `filled` stay as they are.
   * @throws UserError when the adapter cannot bind that many
   */
  async reserve(pages: number, filled: number): Promise<void> {
    if (pages <= this.#capacity) return;
    const wanted = Math.max(pages, Math.ceil(this.#capacity * GROWTH));
    const { device, buffers } = this.#gpu;
    const most = Math.floor(device.limits.maxStorageBufferBindingSize / this.pageBytes);
    if (pages > most) {
      throw new UserError(
        `The summaries of ${pages} evicted pages do not fit in one binding of this adapter, ${most * PAGE_TOKENS} tokens do: read a shorter text, or leave out --cache-recall.`,
      );
    }
    this.#capacity = Math.min(Math.ceil(wanted / PAGE_STEP) * PAGE_STEP, most);
    const encoder = device.createCommandEncoder();
    const old = this.#layers;
    this.#layers = old.map((source) => {
      const target = this.#allocate(this.#capacity);
      if (filled > 0) encoder.copyBufferToBuffer(source, 0, target, 0, filled * this.pageBytes);
      return target;
    });
    device.queue.submit([encoder.finish()]);
    for (const buffer of old) buffers.release(buffer);
    await this.#gpu.kernels.forgetBindings();
  }

  /** The summaries of `count` pages of a layer. */
  async read(layer: number, firstPage: number, count: number): Promise<Uint8Array> {
    const { pageBytes } = this;
    const bytes = await this.#gpu.read(this.of(layer), firstPage * pageBytes, count * pageBytes);
    return new Uint8Array(bytes);
  }

  /** Put summaries in their place; `reserve` made room for them. */
  write(layer: number, firstPage: number, bytes: Uint8Array): void {
    this.#gpu.buffers.write(this.of(layer), firstPage * this.pageBytes, bytes);
  }

  dispose(): void {
    for (const buffer of this.#layers) this.#gpu.buffers.release(buffer);
  }

  #allocate(pages: number): GPUBuffer {
    return this.#gpu.buffers.allocate({ purpose: "cache", bytes: pages * this.pageBytes });
  }
}
