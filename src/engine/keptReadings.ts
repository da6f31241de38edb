// Whole documents in the model's cache: read or restored for one operation after another, and what the loaded model holds of
// them.

import type { IngestParams, ModelSettings, Observer, Requests, Skipped } from "../protocol.ts";
import { keptMap, type MappedReading, MOST_BINS } from "./answer/keptMap.ts";
import { type KeptReading, type KeptWork, keepReading } from "./answer/keptReading.ts";
import type { Shelf } from "./answer/shelf.ts";
import { planWholeReading, type WholeReading } from "./answer/wholeReading.ts";
import type { KeptTokens } from "./cache/keptTokens.ts";
import { DamagedError } from "./cache/sectionFile.ts";
import { SnapshotStore } from "./cache/snapshotStore.ts";
import { readDocuments } from "./documents/readDocuments.ts";
import { findAdapter } from "./gpu/adapter.ts";
import { readCapabilities } from "./gpu/capabilities.ts";
import type { OpenModel, Work } from "./modelHost.ts";
import { modelSettings } from "./modelSettings.ts";

/** Documents in the cache of the model that is open. */
export interface Whole {
  readonly reading: WholeReading;
  readonly kept: KeptReading;
  readonly work: KeptWork;
  readonly skipped: readonly Skipped[];
}

export interface KeptReadingsParts {
  readonly shelf: Shelf;
  /** See Engine.use. */
  readonly use: <T>(
    settings: ModelSettings,
    work: Work,
    run: (opened: OpenModel, observer: Observer) => Promise<T>,
  ) => Promise<T>;
  /** The model that is open now. */
  readonly current: () => OpenModel | undefined;
}

interface LoadedCache {
  readonly model: OpenModel;
  readonly path: string | undefined;
  readonly reading: MappedReading;
  readonly kept: KeptTokens;
}

export class KeptReadings {
  readonly #parts: KeptReadingsParts;
  /** The saved cache that the loaded model holds. */
  #loaded: LoadedCache | undefined;

  constructor(parts: KeptReadingsParts) {
    this.#parts = parts;
  }

  /** Run `run` with whole documents in the model's cache, unless `instead` does better, seeing how they would be read. */
  async with<T>(
    params: IngestParams,
    work: Work,
    run: (whole: Whole) => Promise<T>,
    instead: (reading: WholeReading) => Promise<T> | undefined = () => undefined,
  ): Promise<T> {
    const { documents, skipped, reading } = await this.plan(params, work);
    const other = instead(reading);
    if (other) return other;
    const store = new SnapshotStore(params.cacheDir || undefined);
    return this.#parts.use(reading.settings, work, async (opened, observer) => {
      const once = async (anew: boolean) => {
        const kept = { opened, store, documents, observer, signal: work.signal, anew };
        const state = await keepReading(reading, kept);
        await this.#remember(params, reading, { opened, state });
        return run({ reading, kept: state, work: kept, skipped });
      };
      try {
        return await once(false);
      } catch (error) {
        // Pages of evicted tokens are checked when a question wants them.
        if (!(error instanceof DamagedError)) throw error;
        observer.log?.("warn", "The saved cache is damaged: reading the documents again.");
        return once(true);
      }
    });
  }

  /** Read the documents' texts, and lay out how a model would read them whole. */
  async plan(params: IngestParams, work: Work) {
    const { documents, skipped } = await readDocuments(params.paths, {
      ...work,
      ...(params.unsaved && { unsaved: params.unsaved }),
      library: this.#parts.shelf.library,
    });
    const settings = modelSettings(params);
    const reading = await planWholeReading(documents, settings, () => runsOnSoftware(settings));
    return { documents, skipped, reading };
  }

  /** The saved caches, the last used first. */
  async saved(cacheDir: string | undefined): Promise<Requests["savedCaches"]["result"]> {
    const loaded = this.#held;
    const store = new SnapshotStore(cacheDir || undefined);
    const saved = await store.list();
    const held = loaded?.model.model.cacheStats();
    const caches = saved.map(({ documents, identity: _, device: __, ...cache }) => {
      const own = loaded?.path === cache.path ? held : undefined;
      return {
        document: documents.map(({ path }) => path).join(", "),
        ...cache,
        gpuBytes: (own?.bytes ?? 0) + (own?.recall?.bytes.gpu ?? 0),
        hostBytes: own?.recall?.bytes.host ?? 0,
      };
    });
    const { folder, limitBytes } = store;
    return { caches, folder, limitBytes, disk: await store.lookups() };
  }

  /** The loaded cache as a picture. */
  map(): Requests["cacheMap"]["result"] {
    const loaded = this.#held;
    if (!loaded) return { map: null };
    return { map: keptMap(loaded.reading, loaded.kept, loaded.model.model.tokenizer) };
  }

  /** Note which documents the loaded model holds. */
  async #remember(
    params: IngestParams,
    reading: WholeReading,
    { opened, state }: { opened: OpenModel; state: KeptReading },
  ): Promise<void> {
    this.#loaded = {
      model: opened,
      path: state.saved?.path,
      reading: {
        document: params.paths.join(", "),
        policy: state.stats.cache.policy,
        tokens: reading.prefix,
        passages: reading.passages,
      },
      kept: await state.keeper.keptTokens(MOST_BINS),
    };
  }

  /** The saved cache that the loaded model still holds. */
  get #held(): LoadedCache | undefined {
    const loaded = this.#loaded;
    const isHeld =
      loaded && this.#parts.current() === loaded.model && loaded.model.model.keeper?.trunk;
    return isHeld ? loaded : undefined;
  }
}

/** Whether models run on the CPU; so does nothing at all, where there is no adapter. */
async function runsOnSoftware({ adapter }: ModelSettings): Promise<boolean> {
  const found = await findAdapter(adapter ? { name: adapter } : {}).catch(() => undefined);
  return found === undefined || readCapabilities(found).isSoftware;
}
