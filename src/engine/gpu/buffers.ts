// GPU memory with a byte count per purpose, so that what a run holds is measured and never estimated.

import { UserError } from "../errors.ts";
import { BufferUsage } from "./bufferUsage.ts";

/** What memory is for; the stats show one figure for each. */
export type BufferPurpose = "weights" | "cache" | "activations" | "parameters" | "staging";

export interface BufferRequest {
  readonly purpose: BufferPurpose;
  readonly bytes: number;
  /** Default: storage that can be copied from and to. */
  readonly usage?: number;
  readonly label?: string;
}

export const STORAGE = BufferUsage.STORAGE | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #purposes = new Map<GPUBuffer, BufferPurpose>();
  readonly #bytes = new Map<BufferPurpose, number>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /**
   * A buffer of at least `bytes`, rounded up to whole 16 bytes so that vec4 views fit.
   * @throws UserError when the adapter cannot hold a buffer of this size.
   */
  allocate(request: BufferRequest): GPUBuffer {
    const size = Math.max(16, Math.ceil(request.bytes / 16) * 16);
    const limit = this.#device.limits.maxBufferSize;
    if (size > limit) {
      throw new UserError(
        `A buffer of ${megabytes(size)} for ${request.purpose} is larger than this adapter allows (${megabytes(limit)}): choose a smaller model or context.`,
      );
    }
    const buffer = this.#device.createBuffer({
      size,
      usage: request.usage ?? STORAGE,
      label: request.label ?? request.purpose,
    });
    this.#purposes.set(buffer, request.purpose);
    this.#count(request.purpose, size);
    return buffer;
  }

  /** A storage buffer that holds `data`. */
  upload(
    purpose: BufferPurpose,
    data: ArrayBufferView,
    options: { usage?: number; label?: string } = {},
  ): GPUBuffer {
    const buffer = this.allocate({ purpose, bytes: data.byteLength, ...options });
    this.write(buffer, 0, data);
    return buffer;
  }

  /** Queue a write; lengths that are no multiple of 4 bytes are padded with zeros. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const padded = bytes.length % 4 === 0 ? bytes : pad(bytes);
    this.#device.queue.writeBuffer(buffer, offset, padded as Uint8Array<ArrayBuffer>);
  }

  release(buffer: GPUBuffer): void {
    const purpose = this.#purposes.get(buffer);
    if (purpose === undefined) return;
    this.#purposes.delete(buffer);
    this.#count(purpose, -buffer.size);
    buffer.destroy();
  }

  /** Bytes held now, by purpose. */
  bytes(): Record<string, number> {
    return Object.fromEntries(this.#bytes);
  }

  #count(purpose: BufferPurpose, bytes: number): void {
    this.#bytes.set(purpose, (this.#bytes.get(purpose) ?? 0) + bytes);
  }
}

function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
