// Reading whole documents into a cache that is saved.

import { createHash } from "node:crypto";
import type { Ingestion, RunStats, Skipped } from "../../protocol.ts";
import type { CacheKeeper } from "../cache/cacheKeeper.ts";
import { modelDigest } from "../cache/modelDigest.ts";
import type { SnapshotFacts } from "../cache/snapshotFile.ts";
import type { SnapshotKey, SnapshotStore } from "../cache/snapshotStore.ts";
import type { Trunk } from "../cache/trunk.ts";
import type { SourceDocument } from "../documents/document.ts";
import { UserError } from "../errors.ts";
import type { OpenModel, Work } from "../modelHost.ts";
import { ProgressMeter } from "../progress.ts";
import type { WholeReading } from "./wholeReading.ts";

export interface KeptReading {
  readonly keeper: CacheKeeper;
  /** The documents in the cache; questions branch off it. */
  readonly trunk: Trunk;
  /** What did not have to be read: all that the cache still held, or the first tokens from disk. */
  readonly origin: { readonly from: "memory" | "disk" | "text"; readonly tokens: number };
  readonly stats: RunStats;
  /** Absent when it could not be saved. */
  readonly saved?: { readonly path: string; readonly bytes: number };
  readonly problem?: string;
}

export interface KeptWork extends Work {
  readonly opened: OpenModel;
  readonly store: SnapshotStore;
  readonly documents: readonly SourceDocument[];
  /** Read the documents whatever is in memory or on disk: what was found there is damaged. */
  readonly anew?: boolean;
}

/**
 * Bring the model's cache to hold the documents: as it still does, restored as far as they were saved before, the rest read and
 * saved. Where saving fails, `problem` says why, and the cache can be used all the same.
 */
export async function keepReading(reading: WholeReading, work: KeptWork): Promise<KeptReading> {
  const { opened, store } = work;
  const { keeper } = opened.model;
  if (!keeper) throw new UserError("This model has no cache to keep: choose another model.");
  const { prefix } = reading;
  const identity = await identityOf(reading, keeper, work);
  const key = identity && { identity, tokens: prefix, sharesBlocks: keeper.sharesBlocks };
  const held = work.anew ? undefined : await heldReading(keeper, prefix);
  const brought = held ?? (await bringReading(keeper, prefix, { ...work, key }));
  const kept = { keeper, ...brought };
  if (!key) return { ...kept, problem: "The model's file changed since it was loaded: not saved." };
  const before = brought.origin.tokens === prefix.length ? await store.locate(key) : undefined;
  const { saved, problem } = before
    ? { saved: before, problem: undefined }
    : await save(kept, { ...work, identity: key.identity });
  const { hitRate } = await store.lookups();
  keeper.noteSaved(saved && { bytes: saved.bytes, hitRate });
  const stats = { ...kept.stats, cache: opened.model.cacheStats() };
  return { ...kept, stats, ...(saved && { saved }), ...(problem && { problem }) };
}

type Brought = Pick<KeptReading, "trunk" | "origin" | "stats">;

/** The cache as it is, where it still holds exactly these tokens behind whatever branch. */
async function heldReading(
  keeper: CacheKeeper,
  tokens: readonly number[],
): Promise<Brought | undefined> {
  const { trunk } = keeper;
  const held = trunk?.state.tokens;
  if (!trunk || held?.length !== tokens.length || !tokens.every((token, i) => token === held[i]))
    return undefined;
  const stats = await keeper.branch(trunk);
  return { trunk, origin: { from: "memory", tokens: tokens.length }, stats };
}

/** Restore as many tokens as were saved, and read the rest. */
async function bringReading(
  keeper: CacheKeeper,
  tokens: readonly number[],
  { store, observer, signal, anew, key }: KeptWork & { readonly key: SnapshotKey | undefined },
): Promise<Brought> {
  const restored =
    key === undefined || anew
      ? undefined
      : await store.withLongest(key, async (found) => {
          const stats = await keeper.restore(found);
          return stats && { stats, tokens: found.tokens };
        });
  const origin = { from: restored ? "disk" : "text", tokens: restored?.tokens ?? 0 } as const;
  if (restored?.tokens === tokens.length)
    return { trunk: keeper.pin(), origin, stats: restored.stats };
  observer.log?.(
    "info",
    restored
      ? `The first ${restored.tokens} of ${tokens.length} tokens were restored from disk: reading the rest.`
      : "No saved cache of exactly these documents and settings: reading them.",
  );
  const meter = new ProgressMeter(observer, "prefill", "tokens");
  const onPrefill = (done: number, total: number) => meter.report(done, total);
  const stats = await keeper.read(tokens, { onPrefill, signal }, origin.tokens);
  return { trunk: keeper.pin(), origin, stats };
}

async function save(
  { keeper, stats }: Pick<KeptReading, "keeper" | "stats">,
  { store, documents, identity, signal }: KeptWork & Pick<SnapshotFacts, "identity">,
): Promise<{ saved?: NonNullable<KeptReading["saved"]>; problem?: string }> {
  const facts = factsOf(stats, documents, { identity, device: keeper.device });
  try {
    return { saved: await store.save({ facts, ...keeper.capture() }, { signal }) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problem: error.message };
  }
}

/** What `ingest` reports. Throws UserError when the cache could not be saved. */
export function toIngestion(
  { saved, problem, origin, stats }: KeptReading,
  named: { readonly paths: readonly string[]; readonly skipped: readonly Skipped[] },
): Ingestion {
  if (!saved) throw new UserError(problem ?? "The cache could not be saved: try again.");
  const { tokensRead, tokensKept, policy } = stats.cache;
  const document = named.paths.join(", ");
  const { bytes, path } = saved;
  const { skipped } = named;
  const restored = origin.tokens === tokensRead;
  return { document, tokensRead, tokensKept, policy, bytes, path, restored, skipped, stats };
}

/** What did not have to be read, in words. */
export function originText({ origin: { from, tokens }, stats }: KeptReading): string {
  if (from === "memory") return "still in memory";
  if (from === "text") return "read just now";
  if (tokens === stats.cache.tokensRead) return "restored from disk";
  return `${tokens} tokens restored from disk, the rest read just now`;
}

async function identityOf(
  { format }: WholeReading,
  keeper: CacheKeeper,
  { opened, store, signal }: KeptWork,
): Promise<SnapshotFacts["identity"] | undefined> {
  const { fileVersion: version, info } = opened;
  if (version === undefined) return undefined;
  const model = await modelDigest(info.path, { folder: store.folder, version, signal });
  return model === undefined ? undefined : { ...keeper.identity, model, promptFormat: format.id };
}

function factsOf(
  { cache, model }: RunStats,
  documents: readonly SourceDocument[],
  computed: Pick<SnapshotFacts, "identity" | "device">,
): SnapshotFacts {
  return {
    ...computed,
    model,
    policy: cache.policy,
    tokensRead: cache.tokensRead,
    tokensKept: cache.tokensKept,
    documents: documents.map(({ path, text }) => ({
      path,
      sha256: createHash("sha256").update(text).digest("hex"),
    })),
  };
}
