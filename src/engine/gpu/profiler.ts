// GPU time per kernel, from timestamp queries around each dispatch.

import { UserError } from "../errors.ts";
import { BufferUsage } from "./bufferUsage.ts";
import type { Gpu } from "./device.ts";

export interface KernelTime {
  readonly kernel: string;
  readonly dispatches: number;
  readonly totalMs: number;
}

export interface TimedWork<T> {
  readonly result: T;
  /** The slowest first. */
  readonly kernels: readonly KernelTime[];
}

// Dispatches of one query set; WebGPU allows 4,096 queries in each.
const SET_DISPATCHES = 2048;
const SET_BYTES = 16 * SET_DISPATCHES;

/** Times every dispatch of lists that are encoded with it. Each is a pass of its own then: the whole takes longer. */
export class Profiler {
  readonly #gpu: Gpu;
  readonly #sets: GPUQuerySet[] = [];
  #labels: string[] = [];

  /** @throws UserError when the adapter has no timestamps. */
  constructor(gpu: Gpu) {
    if (!gpu.capabilities.hasTimestamps)
      throw new UserError(
        "This adapter has no timestamp queries: kernels cannot be timed one by one.",
      );
    this.#gpu = gpu;
  }

  /** What a measured pass begins with. */
  passDescriptor(kernel: string): GPUComputePassDescriptor {
    const index = this.#labels.length % SET_DISPATCHES;
    if (this.#labels.length === this.#sets.length * SET_DISPATCHES) this.#grow();
    const querySet = this.#sets[Math.floor(this.#labels.length / SET_DISPATCHES)];
    if (querySet === undefined) throw new Error("a query set lies behind the others");
    this.#labels.push(kernel);
    return {
      timestampWrites: {
        querySet,
        beginningOfPassWriteIndex: 2 * index,
        endOfPassWriteIndex: 2 * index + 1,
      },
    };
  }

  /** Times of everything submitted since the last call, the slowest kernel first. */
  async collect(): Promise<KernelTime[]> {
    const labels = this.#labels;
    this.#labels = [];
    const times = new Map<string, { dispatches: number; totalMs: number }>();
    for (const [index, set] of this.#sets.entries()) {
      const own = labels.slice(index * SET_DISPATCHES, (index + 1) * SET_DISPATCHES);
      const ticks = await this.#read(set, 2 * own.length);
      for (const [i, kernel] of own.entries()) {
        const time = times.get(kernel) ?? { dispatches: 0, totalMs: 0 };
        time.dispatches += 1;
        time.totalMs += Number((ticks[2 * i + 1] ?? 0n) - (ticks[2 * i] ?? 0n)) / 1e6;
        times.set(kernel, time);
      }
    }
    return [...times]
      .map(([kernel, time]) => ({ kernel, ...time }))
      .sort((a, b) => b.totalMs - a.totalMs);
  }

  dispose(): void {
    for (const set of this.#sets.splice(0)) set.destroy();
  }

  #grow(): void {
    const count = 2 * SET_DISPATCHES;
    this.#sets.push(this.#gpu.device.createQuerySet({ type: "timestamp", count }));
  }

  async #read(set: GPUQuerySet, count: number): Promise<BigUint64Array> {
    if (count === 0) return new BigUint64Array();
    const { buffers, device } = this.#gpu;
    const usage = BufferUsage.QUERY_RESOLVE | BufferUsage.COPY_SRC;
    const resolved = buffers.allocate({ purpose: "staging", bytes: SET_BYTES, usage });
    try {
      const encoder = device.createCommandEncoder();
      encoder.resolveQuerySet(set, 0, count, resolved, 0);
      device.queue.submit([encoder.finish()]);
      return new BigUint64Array(await this.#gpu.read(resolved, 0, 8 * count));
    } finally {
      buffers.release(resolved);
    }
  }
}

/**
 * Time the kernels of everything that is submitted while `work` runs.
 * @throws UserError when the adapter has no timestamps
 */
export async function timeKernels<T>(gpu: Gpu, work: () => Promise<T>): Promise<TimedWork<T>> {
  const profiler = new Profiler(gpu);
  gpu.profiler = profiler;
  try {
    const result = await work().finally(() => {
      gpu.profiler = undefined;
    });
    return { result, kernels: await profiler.collect() };
  } finally {
    profiler.dispose();
  }
}
