// Keys and values of the tokens read so far, one pair of buffers a layer: [rows, headDim], the rows of its KV heads one
// behind the other. The cache knows which tokens it stands for, so that a later prompt reuses what it shares. Under a
// bounded policy slots are fewer than tokens, and layers and heads may hold different numbers of them.

import type { CacheStats } from "../../protocol.ts";
import type { Gpu } from "../gpu/device.ts";
import type { CacheBuffers } from "../model/operations/attention.ts";
import type { KeyBiasBuffers } from "../model/operations/keyBias.ts";
import type { Position } from "../model/step.ts";
import { CacheLayer } from "./cacheLayer.ts";
import type { CachePlan } from "./cachePlan.ts";
import { CacheTail } from "./cacheTail.ts";
import { DUAL_CHUNK, type DualChunk } from "./dualChunk.ts";
import type { LayerSlots } from "./layerSlots.ts";
import type { CacheRotationId } from "./rotation.ts";
import type { TailShape } from "./tail.ts";
import { TokenList } from "./tokenList.ts";
import { type CacheType, type CacheTypeId, cacheTypes, rowBytes } from "./types.ts";

export interface KvCacheShape {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly typeK: CacheTypeId;
  readonly typeV: CacheTypeId;
  /** Why a type is not what was asked for. */
  readonly typeFallback?: string;
  /** Slots it may grow to: the context length, or what a bounded policy needs. */
  readonly maxSlots: number;
  /** Slots that a repeat takes behind those filled, in front of an eviction. */
  readonly repeatSlots?: number;
  /** Absent: every token stays. */
  readonly plan?: CachePlan;
  /** Chunks of the text in which positions begin anew. */
  readonly dualChunk?: DualChunk;
  /** Default: off. */
  readonly rotation?: CacheRotationId;
  /** SmoothAttention's λ of each layer [numKvHeads, headDim]. */
  readonly lambdas?: readonly Float32Array[];
  /** Whether keys are held without the model's bias, see `keepsBiasApart`. */
  readonly isKeyBiasApart?: boolean;
  /** Sinks and newest tokens in f16; only where every token stays. */
  readonly tail?: TailShape;
}

/** What a layer holds for each slot; those behind `values` only where the plan needs them. */
export type Plane = "keys" | "values" | "unrotatedKeys" | "places" | "positions" | "attentionSums";

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
  readonly tokens: Uint32Array;
  /** Slots that hold a token, of a head without surplus. */
  readonly length: number;
  /** Slots that hold a token: [layers][KV heads]. */
  readonly headLengths: readonly (readonly number[])[];
  /** Tokens read at each layer's last eviction. */
  readonly listedTokens: readonly number[];
  /** Tokens of the document that RoPE's frequencies were fixed for, where they follow it. */
  readonly ropeLength?: number;
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
  readonly tail: CacheTail | undefined;
  /** Bytes of a slot of one head. */
  readonly #planes: ReadonlyMap<Plane, number>;
  readonly #layers: readonly CacheLayer[];
  readonly #tokens = new TokenList();
  #length = 0;
  #epoch = 0;
  /** Set while somebody relies on what the cache holds. */
  watcher: CacheWatcher | undefined;
  /** Tokens of the document that RoPE's frequencies were fixed for, where they follow it. */
  ropeLength: number | undefined;
  /** What was restored from disk and is still held. */
  restored: NonNullable<CacheStats["restored"]> | undefined;
  /** A file that holds what the cache began with. */
  saved: { readonly tokens: number; readonly bytes: number; readonly hitRate: number } | undefined;

  constructor(gpu: Gpu, shape: KvCacheShape) {
    this.shape = shape;
    this.#planes = new Map(planesOf(shape));
    const { numLayers, numKvHeads } = shape;
    this.tail = shape.tail && new CacheTail(gpu, shape.tail, shape);
    this.#layers = Array.from(
      { length: numLayers },
      () => new CacheLayer(gpu, numKvHeads, this.#planes),
    );
  }

  /** Slots that hold a token, of a head without surplus: what steps count by. */
  get length(): number {
    return this.#length;
  }

  /** Another number whenever tokens were given up or replaced, not when more are appended. */
  get epoch(): number {
    return this.#epoch;
  }

  /** What the heads of each layer hold. */
  get slots(): readonly LayerSlots[] {
    return this.#layers.map(({ slots }) => slots);
  }

  /** Tokens the cache stands for, evicted ones included. */
  get tokensRead(): number {
    return this.#tokens.length;
  }

  /** The tokens the cache stands for, until they change. */
  get tokens(): Uint32Array {
    return this.#tokens.view;
  }

  /** Bytes of a slot of one head, of everything a layer holds. */
  get planes(): ReadonlyMap<Plane, number> {
    return this.#planes;
  }

  /** What a snapshot needs beside the buffers' contents. */
  get counters(): CacheCounters {
    return {
      tokens: this.#tokens.view.slice(),
      length: this.#length,
      headLengths: this.#layers.map(({ slots }) => slots.lengths),
      listedTokens: this.#layers.map(({ slots }) => slots.listedTokens),
      ...(this.ropeLength !== undefined && { ropeLength: this.ropeLength }),
    };
  }

  /** Note that the slots hold what `counters` say; there is room for them, and the caller fills the buffers. */
  restoreCounters({ tokens, length, headLengths, listedTokens, ropeLength }: CacheCounters): void {
    this.#epoch++;
    this.ropeLength = ropeLength;
    this.#tokens.truncate(0);
    this.#tokens.append(tokens);
    this.#length = length;
    this.tail?.isAsOf(length);
    for (const [layer, { slots }] of this.#layers.entries())
      slots.hold(headLengths[layer] ?? [], listedTokens[layer] ?? 0);
    this.#writeTables();
  }

  /** Buffers of each layer; other ones after `reserve` returned true. */
  get layers(): readonly LayerCache[] {
    return this.#layers.flatMap(({ buffers }) => buffers ?? []);
  }

  /** Give a layer the bias that its keys are held without. */
  setKeyBias(layer: number, keyBias: KeyBiasBuffers): void {
    const found = this.#layers[layer];
    if (found !== undefined) found.keyBias = keyBias;
  }

  /** Slots that each layer's heads need to read `tokens` more and then `generated` without an eviction; the mean over its heads. */
  slotsFor(tokens: number, generated: number): number[] {
    const { plan, numKvHeads, repeatSlots = 0 } = this.shape;
    return this.#layers.map(({ slots }, layer) => {
      const held = Math.ceil(slots.total / numKvHeads);
      const all = held + tokens;
      if (plan === undefined) return all + generated;
      // Where layers compete, each has what it needs of the budgets of all behind the first eviction.
      const isSettled = plan.allocation.among === "model" && slots.listedTokens > 0;
      const budget = isSettled ? 0 : (plan.layers[layer]?.budget ?? plan.budget);
      const read = Math.min(all, Math.max(held, budget) + plan.interval);
      // What is generated comes behind the eviction, which gives the slots of the repeat up.
      return read + plan.recall + Math.max(repeatSlots, generated);
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
    const grown = this.#layers.map((layer, index) => {
      const { slots } = layer;
      const needed = slotsOfLayers[index] ?? 0;
      if (needed <= slots.capacity) return false;
      const wanted = Math.max(needed, Math.ceil(slots.capacity * GROWTH));
      const rounded = Math.ceil(wanted / SLOT_STEP) * SLOT_STEP;
      const { groupSize = 1 }: CacheType = cacheTypes[this.shape.typeK];
      const capacity = Math.max(needed, Math.min(rounded, this.shape.maxSlots));
      layer.grow(Math.ceil(capacity / groupSize) * groupSize);
      return true;
    });
    if (!grown.includes(true)) return false;
    this.#writeTables();
    return true;
  }

  /** Note that the next slots hold these tokens; the kernels store them. */
  append(tokens: ArrayLike<number>): void {
    this.#tokens.append(tokens);
    this.#move(tokens.length);
  }

  /** Note that so many evicted tokens of each layer lie in the next slots of its heads; `forget` takes them away. */
  recalled(slotsOfLayers: readonly number[]): void {
    this.#makeRoom(slotsOfLayers, 1);
  }

  /** Take recalled tokens away, and all that was read behind the first `tokens` tokens. */
  forget(tokens: number, slotsOfLayers: readonly number[]): void {
    this.#epoch++;
    this.#move(tokens - this.#tokens.length);
    this.#tokens.truncate(tokens);
    this.#makeRoom(slotsOfLayers, -1);
  }

  /** An eviction is about to move rows. */
  willEvict(): void {
    this.watcher?.willRewrite();
  }

  /** The cache's length behind an eviction. */
  get evictedLength(): number {
    return Math.min(this.#length, this.shape.plan?.budget ?? this.#length);
  }

  /**
   * Move a layer to buffers in which its heads hold so many slots, with room for `free` more; `move` queues what fills them
   * from the old ones. `evicted` comes behind the last layer.
   */
  relay(
    index: number,
    { lengths, free }: { readonly lengths: readonly number[]; readonly free: number },
    move: (from: LayerCache, to: LayerCache) => void,
  ): void {
    const total = lengths.reduce((sum, length) => sum + length, 0);
    // A watcher's rows must fit again.
    const least = this.watcher === undefined ? 0 : (this.#layers[index]?.slots.capacity ?? 0);
    const capacity = Math.max(least, Math.ceil(total / lengths.length) + free);
    const [listedTokens, length] = [this.tokensRead, this.evictedLength];
    this.#layers[index]?.relay({ lengths, listedTokens, capacity, length }, move);
  }

  /** Note that an eviction left the heads of each layer so many slots; `undefined` where it left all. */
  evicted(lengths: readonly (readonly number[] | undefined)[]): void {
    this.#epoch++;
    this.#length = this.evictedLength;
    for (const [layer, { slots }] of this.#layers.entries()) {
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
    const shared = Math.min(this.#tokens.sharedWith(prompt), prompt.length - rows);
    // A document of another length needs frequencies of its own.
    const isFree = this.shape.plan === undefined && this.ropeLength === undefined;
    const isHeld = isFree && (this.tail?.reaches(shared) ?? true);
    const goesOn = isHeld || shared === this.#tokens.length;
    this.#truncate(goesOn ? shared : 0);
    return this.#tokens.length;
  }

  clear(): void {
    this.#truncate(0);
  }

  stats(): CacheStats {
    const { numLayers, numKvHeads, typeK, typeV, typeFallback, plan, dualChunk } = this.shape;
    const { rotation, lambdas, tail } = this.shape;
    const read = this.tokensRead;
    const bytes = [...this.#planes].map(([plane, perSlot]): [string, number] => [plane, perSlot]);
    const perSlot = bytes.reduce((sum, [, bytes]) => sum + bytes, 0);
    const total = this.slots.reduce((sum, slots) => sum + slots.total, 0);
    const kept = total / (numLayers * numKvHeads);
    const rows = this.slots.reduce((sum, slots) => sum + slots.rows, 0);
    const tailBytes = this.tail?.bytes ?? 0;
    return {
      policy: plan?.policyId ?? "full",
      positionScheme: plan?.schemeId ?? (dualChunk ? DUAL_CHUNK : "original"),
      ...(plan && { allocation: plan.allocationId }),
      ...(plan && { budget: plan.budget, sinks: plan.sinks, recent: plan.recent }),
      ...(plan?.policy.records?.queries === "all" && { queryStride: plan.queryStride }),
      ...(this.ropeLength !== undefined && { ropeLength: this.ropeLength }),
      typeK,
      typeV,
      ...(typeFallback && { typeFallback }),
      ...(rotation && rotation !== "off" && { rotation }),
      ...(lambdas && { smoothing: true }),
      ...(tail && { residual: tail.residual }),
      tokensRead: read,
      tokensKept: Math.round(kept),
      tokensEvicted: read - Math.round(kept),
      tokensKeptPerHead: this.slots.map(({ lengths }) => lengths),
      tokensEvictedPerHead: this.slots.map(({ lengths }) => lengths.map((held) => read - held)),
      compressionRatio: read === 0 ? 0 : 1 - kept / read,
      bytes: perSlot * rows + tailBytes,
      bytesByPurpose: {
        ...Object.fromEntries(bytes.map(([plane, bytes]) => [plane, bytes * rows])),
        ...(this.tail && { tail: tailBytes }),
      },
      bytesByPlace: { gpu: perSlot * rows + tailBytes, host: 0, disk: this.saved?.bytes ?? 0 },
      bytesPerToken: perSlot * numKvHeads * numLayers,
      ...(this.saved && { diskHitRate: this.saved.hitRate }),
      ...(this.restored && { restored: this.restored }),
    };
  }

  dispose(): void {
    for (const layer of this.#layers) layer.dispose();
    this.tail?.dispose();
  }

  /** Forget every token from `tokens` on; where tokens were evicted, all or none. */
  #truncate(tokens: number): void {
    if (tokens < this.#tokens.length) this.#epoch++;
    if (this.watcher && tokens < this.watcher.tokens) this.watcher.lost();
    if (this.restored && tokens < this.restored.tokens) this.restored = undefined;
    if (this.saved && tokens < this.saved.tokens) this.saved = undefined;
    this.#move(tokens - this.#tokens.length);
    this.#tokens.truncate(tokens);
    if (tokens > 0) return;
    this.ropeLength = undefined;
    this.#length = 0;
    for (const { slots } of this.#layers) slots.hold(new Array(slots.lengths.length).fill(0), 0);
    this.#writeTables();
  }

  /** The heads of each layer hold so many slots more, or fewer. */
  #makeRoom(slotsOfLayers: readonly number[], sign: 1 | -1): void {
    this.#length += sign * Math.min(...slotsOfLayers);
    for (const [layer, { slots }] of this.#layers.entries())
      slots.append(sign * (slotsOfLayers[layer] ?? 0));
    this.#writeTables();
  }

  /** Every head holds so many slots more, or fewer. */
  #move(slots: number): void {
    this.#length += slots;
    this.tail?.holdsSlots(this.#length);
    for (const layer of this.#layers) layer.slots.append(slots);
  }

  #writeTables(): void {
    for (const layer of this.#layers) layer.writeTable(this.#length);
  }
}

function planesOf({
  typeK,
  typeV,
  headDim,
  plan,
  isKeyBiasApart,
}: KvCacheShape): [Plane, number][] {
  const planes: [Plane, number][] = [
    ["keys", rowBytes(typeK, headDim)],
    ["values", rowBytes(typeV, headDim)],
  ];
  if (plan === undefined) return planes;
  if (plan.scheme.movesKeys) planes.push(["unrotatedKeys", rowBytes(typeK, headDim)]);
  if (isKeyBiasApart) planes.push(["places", 4]);
  planes.push(["positions", 4]);
  const { records } = plan.policy;
  if (records && records.queries !== "statistics") planes.push(["attentionSums", 4]);
  return planes;
}
