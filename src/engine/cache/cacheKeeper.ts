// What a loaded model offers for keeping what it read: read without answering, capture, restore, branch.

import type { RunStats } from "../../protocol.ts";
import type { Decoder } from "../model/decoder.ts";
import type { OnLogits } from "../teacherForced.ts";
import { type KeptTokens, keptTokens } from "./keptTokens.ts";
import { keyLambdas } from "./keyLambdas.ts";
import type { Section, SectionSource } from "./sectionFile.ts";
import {
  type CacheOnGpu,
  type CacheState,
  captureRows,
  restoreRows,
  rowsFit,
  type SnapshotPart,
  slotsOfState,
  stateOf,
  takeState,
} from "./snapshot.ts";
import type { FoundSnapshot } from "./snapshotStore.ts";
import { Trunk } from "./trunk.ts";

/** All a cache's contents depend on beside model and tokens: types, policy, positions, chunk boundaries. */
export type CacheIdentity = Readonly<Record<string, string | number | null>>;

export interface ReadOptions {
  readonly onPrefill?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface KeeperParts extends Omit<CacheOnGpu, "eviction"> {
  readonly decoder: Decoder;
  readonly identity: CacheIdentity;
  /** Digest of all that rounding depends on, see `deviceDigest`. */
  readonly device: string;
  /** What a beginning of the tokens made does not depend on the rest: a part of a saved cache can be used. */
  readonly sharesBlocks: boolean;
  /** Let what the cache records be up to date. */
  readonly settle?: () => void;
  /** State beside the rows. */
  readonly parts?: readonly SnapshotPart[];
  /** Read tokens behind the first `from`, which the cache holds; with 0 into an empty cache. */
  readonly read: (tokens: readonly number[], from: number, options: ReadOptions) => Promise<void>;
  /** Read what the cache lacks of `tokens`, and hand out the logits behind each token that is read. */
  readonly readLogits: (
    tokens: readonly number[],
    onLogits: OnLogits,
    options: Pick<ReadOptions, "signal">,
  ) => Promise<void>;
  /** See CacheKeeper.recall. */
  readonly recall: (
    tokens: readonly number[],
    options: Pick<ReadOptions, "signal">,
  ) => Promise<ReadonlyMap<number, number>>;
  /** The stats of work that reads so many tokens. */
  readonly measure: (tokens: number, work: () => Promise<void>) => Promise<RunStats>;
}

/** The state of a cache, its rows still on the GPU: they are read as the sections are. */
export interface Captured {
  readonly state: CacheState;
  readonly sections: readonly Section[];
  /** About; parts beside the rows are not counted. */
  readonly bytes: number;
}

export class CacheKeeper {
  readonly #parts: KeeperParts;
  #trunk: Trunk | undefined;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  get identity(): CacheIdentity {
    return this.#parts.identity;
  }

  get device(): string {
    return this.#parts.device;
  }

  get sharesBlocks(): boolean {
    return this.#parts.sharesBlocks;
  }

  /** Logits behind each token. */
  get vocabSize(): number {
    return this.#parts.decoder.config.vocabSize;
  }

  /** Note where what the cache holds is saved, for its stats. */
  noteSaved(saved: { readonly bytes: number; readonly hitRate: number } | undefined): void {
    const { cache } = this.#parts;
    cache.saved = saved && { ...saved, tokens: cache.tokensRead };
  }

  /** What was pinned and is still whole. */
  get trunk(): Trunk | undefined {
    return this.#trunk?.isIntact ? this.#trunk : undefined;
  }

  /**
   * Read `tokens`, of which the cache holds the first `from`; with 0 into an empty cache. Throws UserError when they do not
   * fit, StoppedError on the signal.
   */
  read(tokens: readonly number[], options: ReadOptions, from = 0): Promise<RunStats> {
    const { read, measure } = this.#parts;
    return measure(tokens.length - from, () => read(tokens, from, options));
  }

  /** Read what the cache lacks of `tokens`, and hand out the logits behind each token that is read. */
  readLogits(
    tokens: readonly number[],
    onLogits: OnLogits,
    options: Pick<ReadOptions, "signal"> = {},
  ): Promise<void> {
    return this.#parts.readLogits(tokens, onLogits, options);
  }

  /** SmoothAttention's λ of the keys held, which are in f32: of each layer [numKvHeads, headDim]. */
  keyLambdas(): Promise<Float32Array[]> {
    return keyLambdas(this.#parts, this.#parts.decoder.config);
  }

  /**
   * Which evicted tokens the end of `tokens` brings back: by token the share of recall it has over all layers and heads. The
   * cache is as before. Empty where nothing was evicted, or nothing may come back.
   */
  recall(
    tokens: readonly number[],
    options: Pick<ReadOptions, "signal"> = {},
  ): Promise<ReadonlyMap<number, number>> {
    return this.#parts.recall(tokens, options);
  }

  /** The cache as it is now; it must stay so until the sections have been read. */
  capture(): Captured {
    this.#parts.settle?.();
    const state = stateOf(this.#onGpu);
    const { cache, parts = [] } = this.#parts;
    const slotBytes = [...cache.planes.values()].reduce((sum, bytes) => sum + bytes, 0);
    const held = cache.slots.reduce((sum, { total }) => sum + total, 0);
    return {
      state,
      sections: [...captureRows(this.#onGpu), ...parts.flatMap((part) => part.capture())],
      bytes: slotBytes * held,
    };
  }

  /**
   * Go on from what is saved, whatever the cache held; undefined where it is none of this cache's.
   * @throws DamagedError with the cache empty
   */
  async restore({ file, state, tokens }: FoundSnapshot): Promise<RunStats | undefined> {
    const { cache, decoder, device, gpu, identity, measure, parts = [] } = this.#parts;
    const isWhole = tokens === state.tokens.length;
    if (!(isWhole || this.sharesBlocks) || !this.#fits(state, file.sections)) return undefined;
    const wanted = isWhole ? Number.POSITIVE_INFINITY : tokens;
    return measure(0, async () => {
      cache.clear();
      try {
        const held = isWhole ? state : firstTokens(state, tokens);
        await decoder.reserve(slotsOfState(held, 1));
        takeState(this.#onGpu, held);
        await restoreRows(this.#onGpu, file.sections, { state, wanted });
        for (const part of parts) await part.restore(file.sections);
        await gpu.finished();
      } catch (error) {
        cache.clear();
        throw error;
      }
      // In one run a pass would end where a chunk does; where all is restored, the next one begins there in any case.
      const endsPass = isWhole || tokens % Number(identity.chunkLength) === 0;
      cache.restored = { tokens, bitIdentical: endsPass && file.facts.device === device };
    });
  }

  /** Which parts of what it read the cache holds now. */
  keptTokens(mostBins: number): Promise<KeptTokens> {
    this.#parts.settle?.();
    return keptTokens(this.#onGpu, mostBins);
  }

  /** Pin what the cache holds now, for branches that share it. What was pinned before is given up. */
  pin(): Trunk {
    this.#parts.settle?.();
    this.#trunk?.dispose();
    this.#trunk = new Trunk(this.#onGpu, this.#parts.parts);
    return this.#trunk;
  }

  /** Go back to `trunk`, to begin a branch of it. */
  branch(trunk: Trunk): Promise<RunStats> {
    return this.#parts.measure(0, async () => trunk.reset());
  }

  dispose(): void {
    this.#trunk?.dispose();
  }

  #fits(state: CacheState, sections: SectionSource): boolean {
    const { cache, parts = [] } = this.#parts;
    return rowsFit(cache, state, sections) && parts.every((part) => part.fits(sections));
  }

  get #onGpu(): CacheOnGpu {
    const { gpu, cache, decoder } = this.#parts;
    return { gpu, cache, eviction: decoder.eviction };
  }
}

/** The state that the first `tokens` tokens made, where nothing was evicted. */
function firstTokens(state: CacheState, tokens: number): CacheState {
  const headLengths = state.headLengths.map((lengths) => lengths.map(() => tokens));
  const listedTokens = state.listedTokens.map(() => 0);
  const first = { tokens: state.tokens.slice(0, tokens), length: tokens };
  return { ...first, headLengths, listedTokens, summedSlots: 0 };
}
