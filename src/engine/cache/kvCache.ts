// Keys and values of the tokens read so far, one pair of buffers a layer: [rows, headDim], the rows of its KV heads one
// behind the other. The cache knows which tokens it stands for, so that a later prompt reuses what it shares. Under a
// bounded policy slots are fewer than tokens, and layers and heads may hold different numbers of them.

import type { CacheStats } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";
import type { CacheBuffers } from "../model/operations/attention.ts";
import type { Position } from "../model/step.ts";
import type { CachePlan } from "./cachePlan.ts";
import { LayerSlots, tableBytes } from "./layerSlots.ts";
import type { CacheRotationId } from "./rotation.ts";
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
  /** Default: off. */
  readonly rotation?: CacheRotationId;
  /** SmoothAttention's λ of each layer [numKvHeads, headDim]. */
  readonly lambdas?: readonly Float32Array[];
}

/** What a layer holds for each slot; those behind `values` only where the plan needs them. */
export type Plane = "keys" | "values" | "unrotatedKeys" | "positions" | "attentionSums";

/** One layer's cache. */
export interface LayerCache extends CacheBuffers {
  /** Keys before RoPE, where positions move; `keys` are those turned by their slots. */
  readonly unrotatedKeys?: GPUBuffer;
  /** Tokens that the slots moved by evictions hold [rows]. */
  readonly positions?: GPUBuffer;
  /** Attention recorded for the policy [rows]. */
  readonly attentionSums?: GPUBuffer;
}

/** What the cache knows beside its buffers. */
export interface CacheCounters {
  /** Tokens the cache stands for, evicted ones included. */
  readonly tokens: readonly number[];
  /** Slots that hold a token, of a head without surplus. */
  readonly length: number;
  /** Slots that hold a token: [layers][KV heads]. */
  readonly headLengths: readonly (readonly number[])[];
  /** Tokens read at each layer's last eviction. */
  readonly listedTokens: readonly number[];
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
  readonly #slots: readonly LayerSlots[];
  /** Of each layer, where its heads lie. */
  readonly #tables: readonly GPUBuffer[];
  /** Bytes of a slot of one head. */
  readonly #planes: ReadonlyMap<Plane, number>;
  readonly #layers: LayerCache[] = [];
  #tokens: number[] = [];
  #length = 0;
  /** Set while somebody relies on what the cache holds. */
  watcher: CacheWatcher | undefined;
  /** What was restored from disk and is still held. */
  restored: NonNullable<CacheStats["restored"]> | undefined;
  /** A file that holds what the cache began with. */
  saved: { readonly tokens: number; readonly bytes: number; readonly hitRate: number } | undefined;

  constructor(gpu: Gpu, shape: KvCacheShape) {
    this.#gpu = gpu;
    this.shape = shape;
    this.#planes = new Map(planesOf(shape));
    const { numLayers, numKvHeads } = shape;
    this.#slots = Array.from({ length: numLayers }, () => new LayerSlots(numKvHeads));
    this.#tables = this.#slots.map(() =>
      gpu.buffers.allocate({
        purpose: "parameters",
        bytes: tableBytes(numKvHeads),
        usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
        label: "heads",
      }),
    );
  }

  /** Slots that hold a token, of a head without surplus: what steps count by. */
  get length(): number {
    return this.#length;
  }

  /** What the heads of each layer hold. */
  get slots(): readonly LayerSlots[] {
    return this.#slots;
  }

  /** Tokens the cache stands for, evicted ones included. */
  get tokensRead(): number {
    return this.#tokens.length;
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
      headLengths: this.#slots.map(({ lengths }) => lengths),
      listedTokens: this.#slots.map(({ listedTokens }) => listedTokens),
    };
  }

  /** Note that the slots hold what `counters` say; there is room for them, and the caller fills the buffers. */
  restoreCounters({ tokens, length, headLengths, listedTokens }: CacheCounters): void {
    this.#tokens = [...tokens];
    this.#length = length;
    for (const [layer, slots] of this.#slots.entries())
      slots.hold(headLengths[layer] ?? [], listedTokens[layer] ?? 0);
    this.#writeTables();
  }

  /** Buffers of each layer; other ones after `reserve` returned true. */
  get layers(): readonly LayerCache[] {
    return this.#layers;
  }

  /** Slots that each layer's heads need to read `tokens` more and then `generated` without an eviction; the mean over its heads. */
  slotsFor(tokens: number, generated: number): number[] {
    const { plan, numKvHeads } = this.shape;
    return this.#slots.map((slots, layer) => {
      const held = Math.ceil(slots.total / numKvHeads);
      const all = held + tokens;
      if (plan === undefined) return all + generated;
      const budget = plan.layers[layer]?.budget ?? plan.budget;
      return Math.min(all, Math.max(held, budget) + plan.interval) + plan.recall + generated;
    });
  }

  /** Position of the next slot's token. */
  get nextPosition(): Position {
    const scheme = this.shape.plan?.scheme;
    return scheme?.position(this.tokensRead, this.#length) ?? this.#length;
  }

  /**
   * Make room for so many slots of each layer's heads, if all hold the same number. Returns whether buffers were replaced.
   * @throws UserError when the adapter cannot bind a layer of that size
   */
  reserve(slotsOfLayers: readonly number[]): boolean {
    const grown = this.#slots.map((slots, layer) => {
      const needed = slotsOfLayers[layer] ?? 0;
      if (needed <= slots.capacity) return false;
      const wanted = Math.max(needed, Math.ceil(slots.capacity * GROWTH));
      const rounded = Math.ceil(wanted / SLOT_STEP) * SLOT_STEP;
      this.#grow(layer, Math.max(needed, Math.min(rounded, this.shape.maxSlots)));
      return true;
    });
    if (!grown.includes(true)) return false;
    this.#writeTables();
    return true;
  }

  /** Note that the next slots hold these tokens; the kernels store them. */
  append(tokens: readonly number[]): void {
    for (const token of tokens) this.#tokens.push(token);
    this.#move(tokens.length);
  }

  /** Note that so many evicted tokens of each layer lie in the next slots of its heads; `forget` takes them away. */
  recalled(slotsOfLayers: readonly number[]): void {
    this.#makeRoom(slotsOfLayers, 1);
  }

  /** Take recalled tokens away, and all that was read behind the first `tokens` tokens. */
  forget(tokens: number, slotsOfLayers: readonly number[]): void {
    this.#move(tokens - this.#tokens.length);
    this.#tokens.length = tokens;
    this.#makeRoom(slotsOfLayers, -1);
  }

  /** An eviction is about to move rows. */
  willEvict(): void {
    this.watcher?.willRewrite();
  }

  /** Note that an eviction left the heads of each layer so many slots; `undefined` where it left all. */
  evicted(lengths: readonly (readonly number[] | undefined)[]): void {
    this.#length = Math.min(this.#length, this.shape.plan?.budget ?? this.#length);
    for (const [layer, slots] of this.#slots.entries()) {
      const left = lengths[layer];
      if (left !== undefined) slots.hold(left, this.#tokens.length);
    }
    this.#writeTables();
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
    const { numLayers, numKvHeads, typeK, typeV, plan, rotation, lambdas } = this.shape;
    const read = this.tokensRead;
    const bytes = [...this.#planes].map(([plane, perSlot]): [string, number] => [plane, perSlot]);
    const perSlot = bytes.reduce((sum, [, bytes]) => sum + bytes, 0);
    const total = this.#slots.reduce((sum, slots) => sum + slots.total, 0);
    const kept = total / (numLayers * numKvHeads);
    const rows = this.#slots.reduce((sum, slots) => sum + slots.rows, 0);
    return {
      policy: plan?.policyId ?? "full",
      positionScheme: plan?.schemeId ?? "original",
      ...(plan && { budget: plan.budget, sinks: plan.sinks, recent: plan.recent }),
      ...(plan?.policy.records?.queries === "all" && { queryStride: plan.queryStride }),
      typeK,
      typeV,
      ...(rotation && rotation !== "off" && { rotation }),
      ...(lambdas && { smoothing: true }),
      tokensRead: read,
      tokensKept: Math.round(kept),
      tokensEvicted: read - Math.round(kept),
      tokensKeptPerHead: this.#slots.map(({ lengths }) => lengths),
      tokensEvictedPerHead: this.#slots.map(({ lengths }) => lengths.map((held) => read - held)),
      compressionRatio: read === 0 ? 0 : 1 - kept / read,
      bytes: perSlot * rows,
      bytesByPurpose: Object.fromEntries(bytes.map(([plane, bytes]) => [plane, bytes * rows])),
      bytesByPlace: { gpu: perSlot * rows, host: 0, disk: this.saved?.bytes ?? 0 },
      bytesPerToken: perSlot * numKvHeads * numLayers,
      ...(this.saved && { diskHitRate: this.saved.hitRate }),
      ...(this.restored && { restored: this.restored }),
    };
  }

  dispose(): void {
    for (const layer of this.#layers) this.#release(layer);
    for (const table of this.#tables) this.#gpu.buffers.release(table);
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
    if (this.saved && tokens < this.saved.tokens) this.saved = undefined;
    this.#move(tokens - this.#tokens.length);
    this.#tokens.length = tokens;
    if (tokens > 0) return;
    this.#length = 0;
    for (const slots of this.#slots) slots.hold(new Array(slots.lengths.length).fill(0), 0);
    this.#writeTables();
  }

  /** The heads of each layer hold so many slots more, or fewer. */
  #makeRoom(slotsOfLayers: readonly number[], sign: 1 | -1): void {
    this.#length += sign * Math.min(...slotsOfLayers);
    for (const [layer, slots] of this.#slots.entries())
      slots.append(sign * (slotsOfLayers[layer] ?? 0));
    this.#writeTables();
  }

  /** Every head holds so many slots more, or fewer. */
  #move(slots: number): void {
    this.#length += slots;
    for (const layer of this.#slots) layer.append(slots);
  }

  #writeTables(): void {
    for (const [layer, table] of this.#tables.entries()) {
      const words = this.#slots[layer]?.table(this.#length);
      if (words !== undefined) this.#gpu.buffers.write(table, 0, words);
    }
  }

  #grow(index: number, capacity: number): void {
    const { numKvHeads } = this.shape;
    const limit = this.#gpu.device.limits.maxStorageBufferBindingSize;
    const perSlot = numKvHeads * Math.max(...this.#planes.values());
    if (perSlot * capacity > limit) {
      throw new UserError(
        `A cache of ${capacity} tokens does not fit in one binding of this adapter: set the context length to ${Math.floor(limit / perSlot)} or less.`,
      );
    }
    const [slots, heads] = [this.#slots[index], this.#tables[index]];
    if (!slots || !heads) throw new Error(`the cache has no layer ${index}`);
    const planes = [...this.#planes].map(([plane, rowBytes]): [Plane, GPUBuffer] => [
      plane,
      this.#gpu.buffers.allocate({ purpose: "cache", bytes: numKvHeads * capacity * rowBytes }),
    ]);
    // Every layer has keys and values, see planesOf.
    const layer = { ...Object.fromEntries(planes), heads } as LayerCache;
    const old = this.#layers[index];
    const { firstRows } = slots;
    slots.grow(capacity);
    if (old !== undefined) {
      this.#copyHeads({ layer: old, firstRows }, layer, slots);
      // Freed once the copy has run; so the old and the new cache exist together one layer at a time.
      this.#release(old);
    }
    this.#layers[index] = layer;
  }

  /** Copy what the heads hold to where `slots` has them now. */
  #copyHeads(
    source: { readonly layer: LayerCache; readonly firstRows: readonly number[] },
    target: LayerCache,
    slots: LayerSlots,
  ): void {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    for (const [plane, rowBytes] of this.#planes) {
      const [from, to] = [source.layer[plane], target[plane]];
      if (!from || !to) throw new Error(`a layer of the cache has no ${plane}`);
      for (const [head, length] of slots.lengths.entries()) {
        const [first, target] = [source.firstRows[head] ?? 0, slots.firstRows[head] ?? 0];
        if (length > 0)
          encoder.copyBufferToBuffer(
            from,
            first * rowBytes,
            to,
            target * rowBytes,
            length * rowBytes,
          );
      }
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
