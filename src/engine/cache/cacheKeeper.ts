// What a loaded model offers for keeping what it read: read without answering, capture, restore, roll back.

import type { RunStats } from "../../protocol.ts";
import type { Decoder } from "../model/decoder.ts";
import {
  type CacheOnGpu,
  type CacheState,
  captureCache,
  markRestored,
  partSizes,
  restoreCache,
} from "./snapshot.ts";

/** All a cache's contents depend on beside model and tokens: types, policy, positions, chunk boundaries. */
export type CacheIdentity = Readonly<Record<string, string | number | null>>;

export interface ReadOptions {
  readonly onPrefill?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface KeeperParts extends Omit<CacheOnGpu, "eviction"> {
  readonly decoder: Decoder;
  readonly identity: CacheIdentity;
  /** Empty the cache and read tokens into it. */
  readonly read: (tokens: readonly number[], options: ReadOptions) => Promise<void>;
  /** The stats of work that reads so many tokens. */
  readonly measure: (tokens: number, work: () => Promise<void>) => Promise<RunStats>;
}

export class CacheKeeper {
  readonly #parts: KeeperParts;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  get identity(): CacheIdentity {
    return this.#parts.identity;
  }

  /** Read `tokens` into an empty cache. Throws UserError when they do not fit, StoppedError on the signal. */
  read(tokens: readonly number[], options: ReadOptions): Promise<RunStats> {
    const { read, measure } = this.#parts;
    return measure(tokens.length, () => read(tokens, options));
  }

  /** The state of the cache now. */
  capture(): Promise<CacheState> {
    return captureCache(this.#onGpu);
  }

  /** Whether a state has the sizes that this cache's would have. */
  fits(state: CacheState): boolean {
    const sizes = partSizes(this.#parts.cache, state.length);
    return (
      sizes.length === state.parts.length &&
      sizes.every((bytes, i) => state.parts[i]?.length === bytes)
    );
  }

  /** Go on from `state`, whatever the cache held. */
  restore(state: CacheState): Promise<RunStats> {
    const { cache, decoder, gpu, measure } = this.#parts;
    return measure(0, async () => {
      cache.clear();
      await decoder.reserve(cache.slotsFor(state.length, 1));
      restoreCache(this.#onGpu, state);
      await gpu.finished();
    });
  }

  /** Go back to `state`, from which the cache has gone on: where nothing is ever evicted, its slots are still as they were. */
  async rollBack(state: CacheState): Promise<void> {
    if (this.#parts.cache.shape.plan !== undefined) await this.restore(state);
    else markRestored(this.#onGpu, state);
  }

  get #onGpu(): CacheOnGpu {
    const { gpu, cache, decoder } = this.#parts;
    return { gpu, cache, eviction: decoder.eviction };
  }
}
