// Counts generated tokens as queries, where a policy looks at queries: sums and statistics a batch at a time while tokens are
// generated, the rest when the text goes on; an observation window only then, as far as what follows leaves it open. A text that
// ends with its answer pays for no more than keeping the rows.

import type { KvCache } from "./cache/kvCache.ts";
import { SavedBuffers } from "./cache/savedBuffers.ts";
import type { Section, SectionSource } from "./cache/sectionFile.ts";
import type { SnapshotPart } from "./cache/snapshot.ts";
import type { Gpu } from "./gpu/device.ts";
import type { Decoder } from "./model/decoder.ts";
import { KEPT_QUERIES } from "./model/operations/keptQueries.ts";

/** Steps recorded together; with those that run ahead of them no more than the ring holds. */
const BATCH = KEPT_QUERIES / 4;
/** Section of the slot of the first step and the number of steps that stay. */
const STEPS = "generated/steps";

interface RecordParts {
  readonly gpu: Gpu;
  readonly decoder: Decoder;
  readonly cache: KvCache;
}

/** Saved caches carry what of it is not in their rows. */
export class GeneratedRecord implements SnapshotPart {
  readonly #parts: RecordParts;
  readonly #saved: SavedBuffers | undefined;
  /** Slot of the first step. */
  #start = 0;
  /** Steps recorded, and those that stay. */
  #recorded = 0;
  #kept = 0;
  /** The cache's behind the generation, until the text goes on. */
  #epoch: number | undefined;

  constructor(parts: RecordParts) {
    this.#parts = parts;
    const state = [...(parts.decoder.eviction?.generatedState ?? [])].map(
      ([name, buffer]): [string, GPUBuffer] => [`generated/${name}`, buffer],
    );
    this.#saved = state.length > 0 ? new SavedBuffers(parts.gpu, new Map(state)) : undefined;
  }

  /** Steps will follow behind what the cache holds. */
  begin(): void {
    const { cache, decoder } = this.#parts;
    this.#start = cache.length;
    this.#recorded = 0;
    this.#kept = 0;
    this.#epoch = undefined;
    decoder.eviction?.generated?.begin(this.#start);
  }

  /** The first `steps` steps ran, and their tokens stay. */
  confirm(steps: number): void {
    if (this.#window === undefined && steps - this.#recorded >= BATCH) this.#record(steps);
  }

  /** The generation ended; the cache holds the tokens of `steps` steps. */
  end(steps: number): void {
    this.#kept = steps;
    this.#epoch = this.#parts.cache.epoch;
  }

  /**
   * Record what is left, if the cache is as the generation left it: it is looked at, saved, or goes on with `ahead` tokens in front
   * of the next eviction.
   */
  settle(ahead = 0): void {
    const { eviction } = this.#parts.decoder;
    if (eviction === undefined) return;
    const window = this.#window;
    // The rows of a window stay in the ring: which of them count depends on what follows.
    const first = window === undefined ? 0 : Math.max(0, this.#kept - Math.max(0, window - ahead));
    if (window !== undefined) this.#recorded = first;
    const counts = this.#isHeld && first < this.#kept;
    if (counts) this.#record(this.#kept, first);
    eviction.samples.goesOn = counts;
  }

  /** As `settle`; the text goes on now. */
  close(ahead: number): void {
    this.settle(ahead);
    this.#epoch = undefined;
  }

  capture(): readonly Section[] {
    if (this.#saved === undefined || !this.#isHeld || this.#kept === 0) return [];
    const steps = new Uint8Array(Uint32Array.of(this.#start, this.#kept).buffer);
    return [{ name: STEPS, pieces: [steps] }, ...this.#saved.capture()];
  }

  fits(sections: SectionSource): boolean {
    const bytes = sections.pieceBytes(STEPS);
    if (bytes === undefined) return true;
    return bytes.length === 1 && bytes[0] === 8 && (this.#saved?.fits(sections) ?? false);
  }

  async restore(sections: SectionSource): Promise<void> {
    this.#epoch = undefined;
    if (sections.pieceBytes(STEPS) === undefined) return;
    const steps = await sections.read(STEPS, 0);
    const view = new DataView(steps.buffer, steps.byteOffset, steps.byteLength);
    await this.#saved?.restore(sections);
    this.#goBack(view.getUint32(0, true), view.getUint32(4, true));
  }

  pin(): () => void {
    if (this.#saved === undefined || !this.#isHeld || this.#kept === 0)
      return () => {
        this.#epoch = undefined;
      };
    const [start, kept] = [this.#start, this.#kept];
    const restore = this.#saved.pin();
    return () => {
      restore();
      this.#goBack(start, kept);
    };
  }

  dispose(): void {
    this.#saved?.dispose();
  }

  /** The rows and statistics are those behind `kept` steps, all recorded, and so is the cache. */
  #goBack(start: number, kept: number): void {
    this.#start = start;
    this.#recorded = kept;
    this.#kept = kept;
    this.#epoch = this.#parts.cache.epoch;
  }

  get #isHeld(): boolean {
    return this.#epoch === this.#parts.cache.epoch;
  }

  get #window(): number | undefined {
    return this.#parts.decoder.eviction?.samples.window;
  }

  /** Record up to `steps` steps; the record begins with step `beginning`. */
  #record(steps: number, beginning = 0): void {
    const { decoder } = this.#parts;
    // A pass's rows lie one behind the other: two passes where the ring begins anew.
    while (this.#recorded < steps) {
      const base = Math.floor(this.#recorded / KEPT_QUERIES) * KEPT_QUERIES;
      const end = Math.min(steps, base + KEPT_QUERIES);
      const rows = { start: this.#start, base, first: this.#recorded - base, end: end - base };
      const goesOn =
        decoder.eviction?.plan.policy.records?.accumulates || this.#recorded > beginning;
      decoder.recordGenerated({ ...rows, goesOn });
      this.#recorded = end;
    }
  }
}
