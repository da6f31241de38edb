// The queries of generated tokens, as decoding leaves them on the GPU for policies that look at queries: which tokens stay is known
// behind the steps that ran ahead, and nothing has to be known of their queries before the next eviction.

import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import { KEPT_QUERIES, type KeptQueries } from "../model/operations/keptQueries.ts";
import { type HeadShape, qkvSize } from "../model/operations/rope.ts";
import type { CachePlan } from "./cachePlan.ts";

/** Rows of the ring from `first` up to `end`, which belong to steps `base + first` and so on. */
export interface KeptRows {
  /** Slot of the generation's first step. */
  readonly start: number;
  readonly base: number;
  readonly first: number;
  readonly end: number;
  /** Whether they add to what was recorded in front of them, or begin the record anew. */
  readonly goesOn: boolean;
}

/** Queries of attention, behind RoPE and with their log-sum-exps, or those in front of QK-norm and RoPE. */
export type KeptForm = "turned" | "unturned";

/** In which form generated tokens' queries are kept; undefined where nobody looks at them before the next eviction. */
export function keptForm({
  policy,
  recall,
}: Pick<CachePlan, "policy" | "recall">): KeptForm | undefined {
  const { records } = policy;
  // A repeat repeats what was generated as well, and what is generated behind recalled tokens is forgotten.
  if (records === undefined || records.queries === "repeat" || recall > 0) return undefined;
  return records.queries === "statistics" ? "unturned" : "turned";
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
