// What is done to slots that a cache holds already, aside from the passes that fill it: keys turned to other positions, and
// queries or attention of generated tokens recorded.

import type { Eviction } from "../cache/eviction.ts";
import type { KeptRows } from "../cache/generatedQueries.ts";
import type { KvCache } from "../cache/kvCache.ts";
import { CommandList } from "../gpu/commandList.ts";
import type { Gpu } from "../gpu/device.ts";
import type { LayerEncoder } from "./layerEncoder.ts";
import { createStepBuffer, writeStep } from "./step.ts";

export class KeptSlots {
  readonly #gpu: Gpu;
  readonly #cache: KvCache;
  readonly #layers: LayerEncoder;
  readonly #step: GPUBuffer;

  constructor(gpu: Gpu, cache: KvCache, layers: LayerEncoder) {
    this.#gpu = gpu;
    this.#cache = cache;
    this.#layers = layers;
    this.#step = createStepBuffer(gpu);
  }

  /** Turn the keys that an eviction moved, a flag for each layer, by their new positions. */
  rotateMoved(moved: readonly boolean[]): void {
    for (const [layer, isMoved] of moved.entries())
      if (isMoved && this.#layers.operations(layer).rotateKeys)
        this.#gpu.submit([this.rotate(layer)]);
  }

  /** Turn all keys of a layer that are cached before RoPE by their slots, or by `ranks` [KV heads, slots]. */
  rotate(layer: number, ranks?: GPUBuffer): CommandList {
    // Ranks are a question's own: kept, their bindings would grow by one a layer with each.
    const commands = new CommandList({ isFleeting: ranks !== undefined });
    const cache = this.#layers.cacheOf(layer);
    const { rotateKeys, rotateRanked, frequencies } = this.#layers.operations(layer);
    const step = this.#step;
    const { length } = this.#cache;
    const { longest } = this.#layers.slots(layer);
    writeStep(this.#gpu, step, { numTokens: length, firstPosition: 0, firstSlot: 0 });
    if (ranks) rotateRanked?.(commands, { cache, frequencies, step, ranks }, longest);
    else rotateKeys?.(commands, { cache, frequencies, step }, longest);
    return commands;
  }

  /** Record the queries of generated tokens, or their attention; their rows are in the ring. */
  recordGenerated(eviction: Eviction, rows: KeptRows): void {
    const step = this.#step;
    const sample = eviction.samples.ofGenerated(rows);
    eviction.writeSample(sample);
    const firstSlot = rows.start + rows.base;
    writeStep(this.#gpu, step, { numTokens: rows.end, firstPosition: 0, firstSlot });
    const commands = new CommandList();
    for (const [layer, { queries: qkv, lse }] of eviction.generated?.layers.entries() ?? []) {
      if (!eviction.ranks(layer)) continue;
      const norms = this.#layers.weights(layer).qkNorms;
      eviction.encodeQueries(commands, { qkv, norms, step }, { layer, tokens: rows.end });
      const slots = this.#layers.longest(layer, sample.endSlot);
      const cache = this.#layers.cacheOf(layer);
      eviction.encodeRecord(commands, { qkv, cache, step, lse }, slots);
    }
    this.#gpu.submit([commands]);
  }

  dispose(): void {
    this.#gpu.buffers.release(this.#step);
  }
}
