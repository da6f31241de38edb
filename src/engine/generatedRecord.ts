// Counts generated tokens as queries, where a policy sums attention: a batch at a time while they are generated, the rest when the
// text goes on. A text that ends with its answer pays for no more than keeping the rows.

import { KEPT_QUERIES } from "./cache/generatedQueries.ts";
import type { KvCache } from "./cache/kvCache.ts";
import type { Decoder } from "./model/decoder.ts";

/** Steps recorded together; with those that run ahead of them no more than the ring holds. */
const BATCH = KEPT_QUERIES / 4;

export class GeneratedRecord {
  readonly #decoder: Decoder;
  readonly #cache: KvCache;
  /** Slot of the first step. */
  #start = 0;
  /** Steps recorded, and those that stay. */
  #recorded = 0;
  #kept = 0;
  #epoch: number | undefined;

  constructor(decoder: Decoder, cache: KvCache) {
    this.#decoder = decoder;
    this.#cache = cache;
  }

  /** Steps will follow behind what the cache holds. */
  begin(): void {
    this.#start = this.#cache.length;
    this.#recorded = 0;
    this.#kept = 0;
    this.#epoch = undefined;
    this.#decoder.eviction?.generated?.begin(this.#start);
  }

  /** The first `steps` steps ran, and their tokens stay. */
  confirm(steps: number): void {
    if (steps - this.#recorded >= BATCH) this.#record(steps);
  }

  /** The generation ended; the cache holds the tokens of `steps` steps. */
  end(steps: number): void {
    this.#kept = steps;
    this.#epoch = this.#cache.epoch;
  }

  /** Record what is left, if the cache is as the generation left it: it goes on from there, or is saved. */
  settle(): void {
    if (this.#epoch === this.#cache.epoch && this.#kept > this.#recorded) this.#record(this.#kept);
    this.#epoch = undefined;
  }

  #record(steps: number): void {
    if (this.#decoder.eviction?.generated === undefined) return;
    // A pass's rows lie one behind the other: two passes where the ring begins anew.
    while (this.#recorded < steps) {
      const base = Math.floor(this.#recorded / KEPT_QUERIES) * KEPT_QUERIES;
      const end = Math.min(steps, base + KEPT_QUERIES);
      const rows = { start: this.#start, base, first: this.#recorded - base, end: end - base };
      this.#decoder.recordGenerated(rows);
      this.#recorded = end;
    }
  }
}
