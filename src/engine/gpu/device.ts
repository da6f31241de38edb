// The GPU device: opened with everything the adapter offers, closed by one owner. Loss and validation errors are kept
// here, because WebGPU reports them later than the call that caused them.

import { DeviceLostError, OutOfMemoryError } from "../errors.ts";
import { type AdapterRequest, type FoundAdapter, findAdapter, forgetInstances } from "./adapter.ts";
import { BufferPool } from "./buffers.ts";
import { BufferUsage, isOutOfMemory, MapMode } from "./bufferUsage.ts";
import { type Capabilities, readCapabilities } from "./capabilities.ts";
import type { CommandList } from "./commandList.ts";
import { Kernels } from "./kernel.ts";
import { beginWait, paceTicks } from "./paceTicks.ts";
import type { Profiler } from "./profiler.ts";

export interface GpuOptions extends AdapterRequest {
  /** Change what kernels may use, such as `withoutOptionalFeatures`. */
  readonly restrict?: (capabilities: Capabilities) => Capabilities;
}

/** Device, kernels and buffers of one adapter. */
export class Gpu {
  readonly device: GPUDevice;
  readonly kernels: Kernels;
  readonly buffers: BufferPool;
  /** Settles when the device is gone, with the reason; `undefined` after `dispose`. */
  readonly lost: Promise<string | undefined>;
  /** Times the kernels of what is submitted from then on. */
  profiler: Profiler | undefined;
  /** Keeps Dawn's instance referenced: the device dies with it. */
  #found: FoundAdapter | undefined;
  #capabilities: Capabilities;
  #lostReason: string | undefined;
  #error: GPUError | undefined;

  constructor(found: FoundAdapter, device: GPUDevice, capabilities: Capabilities) {
    this.#found = found;
    this.device = device;
    this.#capabilities = capabilities;
    this.kernels = new Kernels(device);
    this.buffers = new BufferPool(device);
    this.lost = device.lost.then((info) => {
      if (this.#found === undefined) return undefined;
      forgetInstances();
      this.#lostReason = info.message.split("\n")[0] || info.reason;
      return this.#lostReason;
    });
    device.addEventListener("uncapturederror", (event) => {
      // It would be printed by Dawn as well, in many lines.
      event.preventDefault();
      this.#error ??= event.error;
    });
  }

  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  /** Change what kernels may use; before any is made for a model. */
  restrict(capabilities: Capabilities): void {
    this.#capabilities = capabilities;
  }

  get isLost(): boolean {
    return this.#lostReason !== undefined || this.#found === undefined;
  }

  /** Throw what WebGPU reported since the last call: a lost device, or a command it refused. */
  check(): void {
    if (this.isLost) {
      throw new DeviceLostError(
        `The GPU device was lost (${this.#lostReason ?? "closed"}): ask again, the model is loaded anew.`,
      );
    }
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) return;
    if (!isOutOfMemory(error)) throw new Error(`The GPU refused a command: ${error.message}`);
    // Buffers that were not created are part of the model by now: it has to be loaded anew.
    this.#lostReason = "out of memory";
    const held = Object.values(this.buffers.bytes()).reduce((sum, bytes) => sum + bytes, 0);
    throw new OutOfMemoryError(
      `The GPU ran out of memory at ${(held / 1e9).toFixed(1)} GB: choose a smaller model, a smaller quantisation or a shorter context, or close other programs that use the GPU.`,
    );
  }

  /** Queue command lists in one submit; what `behind` encodes comes after them. */
  submit(lists: readonly CommandList[], behind?: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.device.createCommandEncoder();
    for (const list of lists) list.encode(encoder, this.profiler);
    behind?.(encoder);
    this.device.queue.submit([encoder.finish()]);
  }

  /** Copy `bytes` of a buffer to the host, behind everything submitted so far. */
  async read(buffer: GPUBuffer, offset = 0, bytes = buffer.size - offset): Promise<ArrayBuffer> {
    const staging = this.buffers.allocate({
      purpose: "staging",
      bytes,
      usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST,
    });
    try {
      const encoder = this.device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
      this.device.queue.submit([encoder.finish()]);
      await this.mapped(staging);
      return staging.getMappedRange().slice(0, bytes);
    } finally {
      this.buffers.release(staging);
    }
  }

  /** Map a buffer for reading; a device lost meanwhile is a clear error instead of Dawn's. */
  async mapped(buffer: GPUBuffer): Promise<void> {
    beginWait();
    try {
      await buffer.mapAsync(MapMode.READ);
    } catch (error) {
      // The loss is reported by another promise, maybe a turn later.
      await new Promise((resolve) => setImmediate(resolve));
      this.check();
      throw error;
    }
    this.check();
  }

  /** Resolves when everything submitted so far has run. */
  async finished(): Promise<void> {
    beginWait();
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  /** Destroys the device and everything on it; the process can end afterwards. */
  dispose(): void {
    if (this.#found === undefined) return;
    this.#found = undefined;
    this.device.destroy();
  }
}

/**
 * Open the adapter with every limit it offers and every feature the kernels can use.
 * @throws UserError when no adapter can be had.
 */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  const found = await findAdapter(options);
  const offered = readCapabilities(found);
  const device = await found.adapter.requestDevice({
    requiredFeatures: [...offered.features].filter(isUseful) as GPUFeatureName[],
    requiredLimits: offered.limits,
  });
  paceTicks(offered);
  const capabilities = options.restrict?.(offered) ?? offered;
  return new Gpu(found, device, capabilities);
}

/** Compute features only: texture formats and drawing cost a device nothing, but are of no use here. */
function isUseful(feature: string): boolean {
  return (
    feature === "shader-f16" ||
    feature === "timestamp-query" ||
    feature.startsWith("subgroup") ||
    feature === "chromium-experimental-subgroup-matrix"
  );
}
