// The queries of generated tokens, as decoding leaves them on the GPU for a policy that sums attention: which tokens stay is known
// behind the steps that ran ahead, and nothing has to be known of their attention before the next eviction.

import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import { type HeadShape, qkvSize } from "../model/operations/rope.ts";
import type { CachePlan } from "./cachePlan.ts";

/** Rows of the ring: steps ahead of what is known, and a batch of those that are recorded together. */
export const KEPT_QUERIES = 128;

/** A layer's ring. */
export interface KeptQueries {
  /** [KEPT_QUERIES, qkvSize]: queries alone are written. */
  readonly queries: GPUBuffer;
  /** [KEPT_QUERIES, numHeads], base 2 */
  readonly lse: GPUBuffer;
  /** Uniform: the slot of the first row. */
  readonly generation: GPUBuffer;
}

/** Rows of the ring from `first` up to `end`, which belong to steps `base + first` and so on. */
export interface KeptRows {
  /** Slot of the generation's first step. */
  readonly start: number;
  readonly base: number;
  readonly first: number;
  readonly end: number;
}

/** Whether generated tokens count as queries: where sums go on over evictions, and what is generated is not forgotten. */
export function keepsGenerated({ policy, recall }: Pick<CachePlan, "policy" | "recall">): boolean {
  const { records } = policy;
  return records?.queries === "all" && records.accumulates && recall === 0;
}

export class GeneratedQueries {
  readonly layers: readonly KeptQueries[];
  readonly #gpu: Gpu;
  readonly #generation: GPUBuffer;

  constructor(gpu: Gpu, shape: HeadShape, numLayers: number) {
    this.#gpu = gpu;
    const usage = BufferUsage.UNIFORM | BufferUsage.COPY_DST;
    this.#generation = gpu.buffers.allocate({ purpose: "parameters", bytes: 16, usage });
    const rows = (words: number): GPUBuffer =>
      gpu.buffers.allocate({ purpose: "activations", bytes: 4 * KEPT_QUERIES * words });
    this.layers = Array.from({ length: numLayers }, () => ({
      queries: rows(qkvSize(shape)),
      lse: rows(shape.numHeads),
      generation: this.#generation,
    }));
  }

  /** Queue that the row of `slot` is the ring's first. */
  begin(slot: number): void {
    this.#gpu.buffers.write(this.#generation, 0, Uint32Array.of(slot, 0, 0, 0));
  }

  dispose(): void {
    const rings = this.layers.flatMap(({ queries, lse }) => [queries, lse]);
    for (const buffer of [this.#generation, ...rings]) this.#gpu.buffers.release(buffer);
  }
}
