// Keys and values of the tokens read so far, one pair of buffers a layer: [numKvHeads, capacity, headDim]. The cache knows
// which tokens it stands for, so that a later prompt reuses what it shares. Under a bounded policy slots are fewer than
// tokens; all heads of all layers hold the same number.

import type { CacheStats } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import type { CacheBuffers } from "../model/operations/attention.ts";
import type { Position } from "../model/step.ts";
import type { CachePlan } from "./cachePlan.ts";
import { type CacheTypeId, rowBytes } from "./types.ts";

export interface KvCacheShape {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly typeK: CacheTypeId;
  readonly typeV: CacheTypeId;
  /** Slots it may grow to: the context length, or what a bounded policy needs. */
  readonly maxSlots: number;
  /** Absent: every token stays. */
  readonly plan?: CachePlan;
}

/** What a layer holds for each slot; those behind `values` only where the plan needs them. */
export type Plane = "keys" | "values" | "unrotatedKeys" | "positions" | "attentionSums";

/** One layer's cache. */
export interface LayerCache extends CacheBuffers {
  /** Keys before RoPE, where positions move; `keys` are those turned by their slots. */
  readonly unrotatedKeys?: GPUBuffer;
  /** Tokens that the slots moved by evictions hold [numKvHeads, capacity]. */
  readonly positions?: GPUBuffer;
  /** Attention recorded for the policy [numKvHeads, capacity]. */
  readonly attentionSums?: GPUBuffer;
}

/** What the cache knows beside its buffers. */
export interface CacheCounters {
  /** Tokens the cache stands for, evicted ones included. */
  readonly tokens: readonly number[];
  /** Slots that hold a token. */
  readonly length: number;
  readonly knownSlots: number;
  readonly knownTokens: number;
}

/** Who relies on the first tokens of the cache, such as a trunk that branches share. */
export interface CacheWatcher {
  /** Tokens it relies on. */
  readonly tokens: number;
  /** Slots of these tokens are about to be rewritten in place. */
  willRewrite(): void;
  /** Some of these tokens were given up. */
  lost(): void;
}

// Growing copies the whole cache: in steps of half its size it happens a few times a document.
const GROWTH = 1.5;
const SLOT_STEP = 256;

export class KvCache {
  readonly shape: KvCacheShape;
  readonly #gpu: Gpu;
  readonly #capacityBuffer: GPUBuffer;
  /** Bytes of a slot of one head. */
  readonly #planes: ReadonlyMap<Plane, number>;
  #layers: readonly LayerCache[] = [];
  #capacity = 0;
  #tokens: number[] = [];
  #length = 0;
  #knownSlots = 0;
  #knownTokens = 0;
  /** Set while somebody relies on what the cache holds. */
  watcher: CacheWatcher | undefined;
  /** What was restored from disk and is still held. */
  restored: NonNullable<CacheStats["restored"]> | undefined;

  constructor(gpu: Gpu, shape: KvCacheShape) {
    this.#gpu = gpu;
    this.shape = shape;
    this.#planes = new Map(planesOf(shape));
    this.#capacityBuffer = gpu.buffers.allocate({
      purpose: "parameters",
      bytes: 4,
      usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
      label: "capacity",
    });
  }

  /** Slots that hold a token. */
  get length(): number {
    return this.#length;
  }

  /** Tokens the cache stands for, evicted ones included. */
  get tokensRead(): number {
    return this.#tokens.length;
  }

  /** Slots that buffers exist for. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Slots whose tokens are listed in `positions`, and the tokens read when they were. */
  get known(): { readonly slots: number; readonly tokens: number } {
    return { slots: this.#knownSlots, tokens: this.#knownTokens };
  }

  /** Bytes of a slot of one head, of everything a layer holds. */
  get planes(): ReadonlyMap<Plane, number> {
    return this.#planes;
  }

  /** What a snapshot needs beside the buffers' contents. */
  get counters(): CacheCounters {
    return {
      tokens: [...this.#tokens],
      length: this.#length,
      knownSlots: this.#knownSlots,
      knownTokens: this.#knownTokens,
    };
  }

  /** Note that the slots hold what `counters` say; the caller has filled the buffers. */
  restoreCounters({ tokens, length, knownSlots, knownTokens }: CacheCounters): void {
    this.#tokens = [...tokens];
    this.#length = length;
    this.#knownSlots = knownSlots;
    this.#knownTokens = knownTokens;
  }

  /** Buffers of each layer; other ones after `reserve` returned true. */
  get layers(): readonly LayerCache[] {
    return this.#layers;
  }

  /** Slots needed to read `tokens` more and then `generated` without an eviction. */
  slotsFor(tokens: number, generated: number): number {
    const { plan } = this.shape;
    const all = this.#length + tokens;
    if (plan === undefined) return all + generated;
    return Math.min(all, Math.max(this.#length, plan.budget) + plan.interval) + generated;
  }

  /** Position of the next slot's token. */
  get nextPosition(): Position {
    const scheme = this.shape.plan?.scheme;
    return scheme?.position(this.tokensRead, this.#length) ?? this.#length;
  }

  /**
   * Make room for `slots`. Returns whether the buffers were replaced.
   * @throws UserError when the adapter cannot bind a layer of that size
   */
  reserve(slots: number): boolean {
    if (slots <= this.#capacity) return false;
    const wanted = Math.max(slots, Math.ceil(this.#capacity * GROWTH));
    const rounded = Math.ceil(wanted / SLOT_STEP) * SLOT_STEP;
    this.#grow(Math.max(slots, Math.min(rounded, this.shape.maxSlots)));
    return true;
  }

  /** Note that the next slots hold these tokens; the kernels store them. */
  append(tokens: readonly number[]): void {
    for (const token of tokens) this.#tokens.push(token);
    this.#length += tokens.length;
  }

  /** An eviction is about to move rows. */
  willEvict(): void {
    this.watcher?.willRewrite();
  }

  /** Note that an eviction left `slots` slots. */
  evicted(slots: number): void {
    this.#length = slots;
    this.#knownSlots = slots;
    this.#knownTokens = this.#tokens.length;
  }

  /**
   * Go back to what `prompt` begins with; returns the index of its first token that must be read. Its last `rows` tokens are
   * read in any case, for their logits. What was evicted does not come back: a bounded cache goes on or begins anew.
   */
  resume(prompt: readonly number[], rows = 1): number {
    const shared = Math.min(this.#sharedPrefix(prompt), prompt.length - rows);
    const goesOn = this.shape.plan === undefined || shared === this.#tokens.length;
    this.#truncate(goesOn ? shared : 0);
    return this.#tokens.length;
  }

  clear(): void {
    this.#truncate(0);
  }

  stats(): CacheStats {
    const { numLayers, numKvHeads, typeK, typeV, plan } = this.shape;
    const read = this.tokensRead;
    const bytes = [...this.#planes].map(([plane, perSlot]): [string, number] => [
      plane,
      perSlot * numKvHeads * numLayers,
    ]);
    const perToken = bytes.reduce((sum, [, perSlot]) => sum + perSlot, 0);
    const kept = Array.from({ length: numLayers }, () =>
      new Array<number>(numKvHeads).fill(this.#length),
    );
    return {
      policy: plan?.policyId ?? "full",
      positionScheme: plan?.schemeId ?? "original",
      ...(plan && { budget: plan.budget, sinks: plan.sinks, recent: plan.recent }),
      ...(plan?.policy.records?.queries === "all" && { queryStride: plan.queryStride }),
      typeK,
      typeV,
      tokensRead: read,
      tokensKept: this.#length,
      tokensEvicted: read - this.#length,
      tokensKeptPerHead: kept,
      compressionRatio: read === 0 ? 0 : 1 - this.#length / read,
      bytes: perToken * this.#capacity,
      bytesByPurpose: Object.fromEntries(
        bytes.map(([plane, perSlot]) => [plane, perSlot * this.#capacity]),
      ),
      bytesPerToken: perToken,
      ...(this.restored && { restored: this.restored }),
    };
  }

  dispose(): void {
    for (const layer of this.#layers) this.#release(layer);
    this.#gpu.buffers.release(this.#capacityBuffer);
  }

  #sharedPrefix(tokens: readonly number[]): number {
    let shared = 0;
    while (shared < this.#tokens.length && this.#tokens[shared] === tokens[shared]) shared++;
    return shared;
  }

  /** Forget every token from `tokens` on; where tokens were evicted, all or none. */
  #truncate(tokens: number): void {
    if (this.watcher && tokens < this.watcher.tokens) this.watcher.lost();
    if (this.restored && tokens < this.restored.tokens) this.restored = undefined;
    this.#length -= this.#tokens.length - tokens;
    this.#tokens.length = tokens;
    if (tokens > 0) return;
    this.#length = 0;
    this.#knownSlots = 0;
    this.#knownTokens = 0;
  }

  #grow(capacity: number): void {
    const { numKvHeads, numLayers } = this.shape;
    const limit = this.#gpu.device.limits.maxStorageBufferBindingSize;
    const perSlot = numKvHeads * Math.max(...this.#planes.values());
    if (perSlot * capacity > limit) {
      throw new UserError(
        `A cache of ${capacity} tokens does not fit in one binding of this adapter: set the context length to ${Math.floor(limit / perSlot)} or less.`,
      );
    }
    const { buffers } = this.#gpu;
    this.#layers = Array.from({ length: numLayers }, (_, index) => {
      const planes = [...this.#planes].map(([plane, rowBytes]): [Plane, GPUBuffer] => [
        plane,
        buffers.allocate({ purpose: "cache", bytes: numKvHeads * capacity * rowBytes }),
      ]);
      // Every layer has keys and values, see planesOf.
      const layer = { ...Object.fromEntries(planes), capacity: this.#capacityBuffer } as LayerCache;
      const old = this.#layers[index];
      if (old !== undefined) {
        this.#copyHeads(old, layer, capacity);
        // Freed once the copy has run; so the old and the new cache exist together one layer at a time.
        this.#release(old);
      }
      return layer;
    });
    this.#capacity = capacity;
    buffers.write(this.#capacityBuffer, 0, Uint32Array.of(capacity));
  }

  #copyHeads(source: LayerCache, target: LayerCache, capacity: number): void {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    for (const [plane, rowBytes] of this.#planes) {
      const [from, to] = [source[plane], target[plane]];
      if (!from || !to) throw new Error(`a layer of the cache has no ${plane}`);
      const [oldBytes, newBytes] = [rowBytes * this.#capacity, rowBytes * capacity];
      for (let head = 0; head < this.shape.numKvHeads; head++)
        encoder.copyBufferToBuffer(from, head * oldBytes, to, head * newBytes, oldBytes);
    }
    device.queue.submit([encoder.finish()]);
  }

  #release(layer: LayerCache): void {
    for (const plane of this.#planes.keys()) {
      const buffer = layer[plane];
      if (buffer !== undefined) this.#gpu.buffers.release(buffer);
    }
  }
}

function planesOf({ typeK, typeV, headDim, plan }: KvCacheShape): [Plane, number][] {
  const planes: [Plane, number][] = [
    ["keys", rowBytes(typeK, headDim)],
    ["values", rowBytes(typeV, headDim)],
  ];
  if (plan === undefined) return planes;
  if (plan.scheme.movesKeys) planes.push(["unrotatedKeys", rowBytes(typeK, headDim)]);
  planes.push(["positions", 4]);
  if (plan.policy.records !== undefined) planes.push(["attentionSums", 4]);
  return planes;
}
