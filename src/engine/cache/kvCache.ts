// Keys and values of the tokens read so far, one pair of buffers a layer: [rows, headDim], the rows of its KV heads one
// behind the other. The cache knows which tokens it stands for, so that a later prompt reuses what it shares. Under a
// bounded policy slots are fewer than tokens, and layers and heads may hold different numbers of them.

import type { CacheStats } from "../../protocol.ts";
import type { Gpu } from "../gpu/device.ts";
import type { KeyBiasBuffers } from "../model/operations/keyBias.ts";
import type { Position } from "../model/step.ts";
import { CacheLayer } from "./cacheLayer.ts";
import {
  type CacheCounters,
  type CacheWatcher,
  type KvCacheShape,
  type LayerCache,
  type Plane,
  planesOf,
} from "./cacheShape.ts";
import { bufferStats } from "./cacheStats.ts";
import { CacheTail } from "./cacheTail.ts";
import type { LayerSlots } from "./layerSlots.ts";
import { TokenList } from "./tokenList.ts";
import { type CacheType, cacheTypes } from "./types.ts";

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
   * Allocates nothing.
   * @throws UserError when the adapter cannot bind a layer of so many slots of each head
   */
  requireFit(slotsOfLayers: readonly number[]): void {
    for (const [index, layer] of this.#layers.entries())
      layer.requireFit(slotsOfLayers[index] ?? 0);
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
    return bufferStats(this);
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
