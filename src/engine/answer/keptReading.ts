// Reading whole documents into a cache that is saved, and answering from that cache alone.

import { createHash } from "node:crypto";
import type { Answer, AskParams, Ingestion, RunStats, Skipped } from "../../protocol.ts";
import type { CacheKeeper } from "../cache/cacheKeeper.ts";
import { modelDigest } from "../cache/modelDigest.ts";
import type { CacheState } from "../cache/snapshot.ts";
import type { SnapshotFacts } from "../cache/snapshotFile.ts";
import type { SnapshotStore } from "../cache/snapshotStore.ts";
import type { SourceDocument } from "../documents/document.ts";
import { StoppedError, UserError } from "../errors.ts";
import type { OpenModel, Work } from "../modelHost.ts";
import { ProgressMeter } from "../progress.ts";
import { answerPrompt } from "./readTogether.ts";
import { samplingOf } from "./sampling.ts";
import { citeAnswer, findQuote } from "./verify.ts";
import type { WholeReading } from "./wholeReading.ts";

/** A shorter answer may stand anywhere by chance: then only the passage it cites counts. */
const MIN_SEARCHED_LENGTH = 8;

export interface KeptReading {
  readonly keeper: CacheKeeper;
  readonly state: CacheState;
  readonly restored: boolean;
  readonly stats: RunStats;
  /** Absent when it could not be saved. */
  readonly saved?: { readonly path: string; readonly bytes: number };
  readonly problem?: string;
}

export interface KeptWork extends Work {
  readonly opened: OpenModel;
  readonly store: SnapshotStore;
  readonly documents: readonly SourceDocument[];
}

/**
 * Bring the model's cache to hold the documents: restored where exactly this was saved before, else read and saved.
 * Where saving fails, `problem` says why, and the cache can be used all the same.
 */
export async function keepReading(reading: WholeReading, work: KeptWork): Promise<KeptReading> {
  const { opened, store, observer, signal } = work;
  const { keeper } = opened.model;
  if (!keeper) throw new UserError("This model has no cache to keep: choose another model.");
  const identity = await identityOf(reading, keeper, work);
  const found = identity && (await store.find({ identity, tokens: reading.prefix }));
  if (found && keeper.fits(found.state)) {
    const stats = await keeper.restore(found.state);
    return { keeper, state: found.state, restored: true, stats, saved: found };
  }
  observer.log?.("info", "No saved cache of exactly these documents and settings: reading them.");
  const meter = new ProgressMeter(observer, "prefill", "tokens");
  const stats = await keeper.read(reading.prefix, {
    onPrefill: (done, total) => meter.report(done, total),
    signal,
  });
  const state = await keeper.capture();
  const kept = { keeper, state, restored: false, stats };
  if (!identity)
    return { ...kept, problem: "The model's file changed since it was loaded: not saved." };
  try {
    const facts = factsOf(stats, work.documents, identity);
    return { ...kept, saved: await store.save({ facts, state }, { signal }) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...kept, problem: error.message };
  }
}

/** What `ingest` reports. Throws UserError when the cache could not be saved. */
export function toIngestion(
  { saved, problem, restored, stats }: KeptReading,
  named: { readonly paths: readonly string[]; readonly skipped: readonly Skipped[] },
): Ingestion {
  if (!saved) throw new UserError(problem ?? "The cache could not be saved: try again.");
  const { tokensRead, tokensKept, policy } = stats.cache;
  const document = named.paths.join(", ");
  const { bytes, path } = saved;
  const { skipped } = named;
  return { document, tokensRead, tokensKept, policy, bytes, path, restored, skipped, stats };
}

/** Answer from the cache alone, and leave it as it was saved. */
export async function answerFromCache(
  params: AskParams,
  reading: WholeReading,
  { kept, work, skipped }: { kept: KeptReading; work: KeptWork; skipped: readonly Skipped[] },
): Promise<Answer> {
  const { opened, observer, signal } = work;
  const { cache } = kept.stats;
  const sampling = samplingOf(params);
  try {
    const answered = await answerPrompt(
      { model: opened.model, format: reading.format, sampling, observer, signal },
      {
        prompt: await reading.promptFor(params.question),
        read: reading.passages,
        maxTokens: sampling.maxTokens ?? reading.maxAnswerTokens,
      },
    );
    const { found, interruption } = answered;
    const citations = found ? withFoundText(answered, work.documents) : [];
    const isChecked = citations.some(({ verified }) => verified);
    return {
      found,
      answer: found ? answered.answer : "The cache holds no answer to this.",
      citations,
      coverage: {
        tokensTotal: cache.tokensRead,
        tokensSearched: 0,
        tokensInCache: Math.round(cache.tokensKept),
        tokensReread: 0,
        skipped,
      },
      ...(answered.stats && { stats: answered.stats }),
      ...(interruption && { partial: true }),
      notes: [
        `Answered from the cache alone: ${kept.restored ? "restored from disk" : "read just now"}, policy ${cache.policy}.`,
        ...(kept.problem ? [kept.problem] : []),
        ...(params.history?.length ? ["Earlier turns were left out."] : []),
        ...(found && !isChecked ? ["None of this answer's words could be found in the text."] : []),
        ...(interruption instanceof StoppedError ? ["Stopped before the end."] : []),
      ],
    };
  } finally {
    if (!opened.isLost) await kept.keeper.rollBack(kept.state);
  }
}

// A cache forgets which number a passage had before it forgets its words.
function withFoundText(
  { answer, citations }: Pick<Answer, "answer" | "citations">,
  documents: readonly SourceDocument[],
): Answer["citations"] {
  const text = answer.replace(/[.!?]$/, "");
  if (citations.some(({ verified }) => verified) || text.length < MIN_SEARCHED_LENGTH)
    return citations;
  for (const document of documents) {
    const span = findQuote(document.text, text);
    if (!span) continue;
    const passage = { document, start: 0, end: document.text.length };
    return [citeAnswer(passage, span, text)];
  }
  return citations;
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
  identity: SnapshotFacts["identity"],
): SnapshotFacts {
  return {
    identity,
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
