// GPU time per kernel, from timestamp queries around each dispatch.

import { BufferUsage } from "./bufferUsage.ts";
import type { Gpu } from "./device.ts";

export interface KernelTime {
  readonly kernel: string;
  readonly dispatches: number;
  readonly totalMs: number;
}

const CAPACITY = 2048;

/** Collects up to 2,048 dispatches between two calls of `collect`; later ones run unmeasured. */
export class Profiler {
  readonly #gpu: Gpu;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  #labels: string[] = [];

  /** @throws Error when the adapter has no timestamps. */
  constructor(gpu: Gpu) {
    if (!gpu.capabilities.hasTimestamps) throw new Error("This adapter has no timestamp queries.");
    this.#gpu = gpu;
    this.#queries = gpu.device.createQuerySet({ type: "timestamp", count: 2 * CAPACITY });
    this.#resolved = gpu.buffers.allocate({
      purpose: "staging",
      bytes: 16 * CAPACITY,
      usage: BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC,
    });
  }

  /** What a measured pass begins with. */
  passDescriptor(kernel: string): GPUComputePassDescriptor {
    const index = this.#labels.length;
    if (index >= CAPACITY) return {};
    this.#labels.push(kernel);
    return {
      timestampWrites: {
        querySet: this.#queries,
        beginningOfPassWriteIndex: 2 * index,
        endOfPassWriteIndex: 2 * index + 1,
      },
    };
  }

  /** Times since the last call, the slowest kernel first. */
  async collect(): Promise<KernelTime[]> {
    const labels = this.#labels;
    this.#labels = [];
    if (labels.length === 0) return [];
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.resolveQuerySet(this.#queries, 0, 2 * labels.length, this.#resolved, 0);
    this.#gpu.device.queue.submit([encoder.finish()]);
    const ticks = new BigUint64Array(await this.#gpu.read(this.#resolved, 0, 16 * labels.length));
    const times = new Map<string, { dispatches: number; totalMs: number }>();
    for (const [index, kernel] of labels.entries()) {
      const time = times.get(kernel) ?? { dispatches: 0, totalMs: 0 };
      time.dispatches += 1;
      time.totalMs += Number((ticks[2 * index + 1] ?? 0n) - (ticks[2 * index] ?? 0n)) / 1e6;
      times.set(kernel, time);
    }
    return [...times]
      .map(([kernel, time]) => ({ kernel, ...time }))
      .sort((a, b) => b.totalMs - a.totalMs);
  }

  dispose(): void {
    this.#queries.destroy();
    this.#gpu.buffers.release(this.#resolved);
  }
}
