// The engine in process: reads documents, keeps one model loaded, answers. The command line uses it directly, windows of
// VS Code through src/engine/server.ts.

import type {
  Answer,
  AskParams,
  EngineApi,
  EngineSnapshot,
  Fidelity,
  GenerateParams,
  Generation,
  Ingestion,
  IngestParams,
  ModelSettings,
  Observer,
  ReadResult,
  Requests,
  RunStats,
  SummarizeParams,
  Summary,
} from "../protocol.ts";
import { answerQuestion, readSources } from "./answer/answerQuestion.ts";
import { answerFromCache, cacheEvidence, KEPT_WHOLE_NOTE } from "./answer/cacheAnswer.ts";
import { measureFidelity } from "./answer/fidelity.ts";
import { toIngestion } from "./answer/keptReading.ts";
import { readTexts } from "./answer/readTexts.ts";
import { searchPassages } from "./answer/searchPassages.ts";
import { Shelf } from "./answer/shelf.ts";
import { summarizeDocument } from "./answer/summarizeDocument.ts";
import { SnapshotStore } from "./cache/snapshotStore.ts";
import { NoAdapterError, UserError } from "./errors.ts";
import { generateText } from "./generateText.ts";
import { KeptReadings, type Whole } from "./keptReadings.ts";
import { listModels } from "./model/models.ts";
import { ModelHost, type ModelOpener, type OpenModel, type Work } from "./modelHost.ts";
import { modelSettings } from "./modelSettings.ts";
import { openTokenizer } from "./openTokenizer.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

export interface EngineOptions {
  /** Opens a device and loads a model onto it; default: Dawn. */
  readonly openModel?: ModelOpener;
  /** Milliseconds without work after which the model and its device are closed. */
  readonly idleMs?: number;
}

const fiveMinutesMs = 5 * 60_000;

export class Engine implements EngineApi {
  readonly #host: ModelHost;
  /** Documents and their index stay between questions; what changed on disk is read again. */
  readonly #shelf = new Shelf();
  readonly #kept: KeptReadings;
  readonly #beganMs = performance.now();
  #embeddedTokenizer: Promise<Tokenizer> | undefined;
  #lastRun: RunStats | undefined;

  constructor({ openModel = openOnGpu, idleMs = fiveMinutesMs }: EngineOptions = {}) {
    this.#host = new ModelHost(openModel, idleMs);
    this.#kept = new KeptReadings({
      shelf: this.#shelf,
      use: (settings, work, run) => this.use(settings, work, run),
      current: () => this.#host.current,
    });
  }

  /** Answer a question; without any adapter, with exact quotes alone. */
  async ask(params: AskParams, observer: Observer, signal: AbortSignal): Promise<Answer> {
    if (params.noRetrieval) return this.#askCache(params, { observer, signal });
    if (params.cacheRecall && !params.noCache) return this.#askBoth(params, { observer, signal });
    // Reading is work of the host, opening a model mostly the adapter's: they go side by side.
    const reading = new AbortController();
    const watch = { observer, signal: AbortSignal.any([signal, reading.signal]) };
    const sources = readSources(params, this.#shelf, watch);
    // Whoever awaits it hears of it; where the model cannot be opened, nobody does.
    sources.catch(() => {});
    try {
      const answer = await this.#useIfAdapter(params, { observer, signal }, (tools, watched) => {
        const all = { shelf: this.#shelf, sources, ...tools };
        return answerQuestion(params, all, { observer: watched, signal });
      });
      this.#lastRun = answer.stats ?? this.#lastRun;
      return answer;
    } finally {
      reading.abort();
    }
  }

  /** Summarise a file or folder; without any adapter, in the text's own sentences. */
  async summarize(
    params: SummarizeParams,
    observer: Observer,
    signal: AbortSignal,
  ): Promise<Summary> {
    const summary = await this.#useIfAdapter(params, { observer, signal }, (tools, watched) =>
      summarizeDocument(params, { shelf: this.#shelf, ...tools }, { observer: watched, signal }),
    );
    this.#lastRun = summary.stats ?? this.#lastRun;
    return summary;
  }

  async generate(
    params: GenerateParams,
    observer: Observer,
    signal: AbortSignal,
  ): Promise<Generation> {
    const generation = await this.use(params, { observer, signal }, ({ model }, watched) =>
      generateText(model, params, { observer: watched, signal }),
    );
    this.#lastRun = generation.stats;
    return generation;
  }

  /** Read whole documents into a cache and save it; nothing is read where exactly this was saved before. */
  async ingest(params: IngestParams, observer: Observer, signal: AbortSignal): Promise<Ingestion> {
    await new SnapshotStore(params.cacheDir || undefined).requireUse();
    return this.#kept.with(params, { observer, signal }, async ({ kept, skipped }) =>
      toIngestion(kept, { paths: params.paths, skipped }),
    );
  }

  /** The saved caches, the last used first. Needs no adapter. */
  async savedCaches({
    cacheDir,
  }: Requests["savedCaches"]["params"]): Promise<Requests["savedCaches"]["result"]> {
    return this.#kept.saved(cacheDir);
  }

  /** The loaded cache as a picture. */
  async cacheMap(): Promise<Requests["cacheMap"]["result"]> {
    return this.#kept.map();
  }

  /** How far the cache that these settings give is from the full one, on the documents themselves. */
  async fidelity(params: IngestParams, observer: Observer, signal: AbortSignal): Promise<Fidelity> {
    const work = { observer, signal };
    const { reading, skipped } = await this.#kept.plan(params, work);
    const measured = await measureFidelity(
      reading,
      (settings, run) => this.use(settings, work, run),
      work,
    );
    return { document: params.paths.join(", "), ...measured, skipped };
  }

  async read(
    { paths }: Requests["read"]["params"],
    observer: Observer,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const tools = { shelf: this.#shelf, tokenizer: await this.#defaultTokenizer() };
    return readTexts(paths, tools, { observer, signal });
  }

  async search(
    params: Requests["search"]["params"],
    observer: Observer,
    signal: AbortSignal,
  ): Promise<Requests["search"]["result"]> {
    return searchPassages(params, this.#shelf, { observer, signal });
  }

  async models(): Promise<Requests["models"]["result"]> {
    return { models: await listModels() };
  }

  async snapshot(): Promise<EngineSnapshot> {
    const opened = this.#host.current;
    return {
      status: this.#host.status,
      node: { executable: process.execPath, version: process.version },
      pid: process.pid,
      uptimeMs: performance.now() - this.#beganMs,
      hostBytes: process.memoryUsage.rss(),
      gpuBytes: opened?.gpuBytes() ?? {},
      clients: 0,
      ...(opened && {
        adapter: opened.adapter,
        model: opened.info,
        cache: opened.model.cacheStats(),
      }),
      ...(this.#lastRun && { lastRun: this.#lastRun }),
    };
  }

  /** Run `run` with the model that `settings` ask for; see ModelHost.use. */
  use<T>(
    settings: ModelSettings,
    work: Work,
    run: (opened: OpenModel, observer: Observer) => Promise<T>,
  ): Promise<T> {
    return this.#host.use(modelSettings(settings), work, run);
  }

  /** Close the model and its device. */
  async dispose(): Promise<void> {
    this.#host.dispose();
  }

  async #askCache(params: AskParams, work: Work): Promise<Answer> {
    if (params.noCache)
      throw new UserError("An answer needs the cache or passages: leave out one of the two.");
    const answer = await this.#kept.with(params, work, ({ reading, ...rest }) =>
      answerFromCache(params, reading, rest),
    );
    this.#lastRun = answer.stats ?? this.#lastRun;
    return answer;
  }

  /** Answer from passages that a search finds or the cache recalls, read again verbatim. */
  async #askBoth(params: AskParams, work: Work): Promise<Answer> {
    const ask = async ({ reading, kept, work }: Whole): Promise<Answer> => {
      const { model } = work.opened;
      const cache = await cacheEvidence(params.question, reading, { kept, work });
      const tools = { shelf: this.#shelf, model, tokenizer: model.tokenizer, cache };
      return answerQuestion(params, tools, work);
    };
    const { observer, signal } = work;
    const answer = await this.#kept.with(params, work, ask, ({ settings }) => {
      // A policy that evicts nothing refuses recall by name where the cache is planned.
      if (settings.cacheRecall) return undefined;
      const { cacheRecall: _, ...passagesAlone } = params;
      return this.ask(passagesAlone, observer, signal).then((passages) => ({
        ...passages,
        notes: [...(passages.notes ?? []), KEPT_WHOLE_NOTE],
      }));
    });
    this.#lastRun = answer.stats ?? this.#lastRun;
    return answer;
  }

  /** As `use`, but where no adapter can be had, `run` gets a tokenizer and no model. */
  async #useIfAdapter<T>(
    settings: ModelSettings,
    work: Work,
    run: (tools: Tools, observer: Observer) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.use(settings, work, ({ model }, observer) =>
        run({ model, tokenizer: model.tokenizer }, observer),
      );
    } catch (error) {
      if (!(error instanceof NoAdapterError)) throw error;
      work.observer.log?.("warn", error.message);
      return run({ tokenizer: await this.#defaultTokenizer() }, work.observer);
    }
  }

  #defaultTokenizer(): Promise<Tokenizer> {
    this.#embeddedTokenizer ??= openTokenizer();
    return this.#embeddedTokenizer;
  }
}

interface Tools {
  readonly model?: OpenModel["model"];
  readonly tokenizer: Tokenizer;
}

// Dawn is native code: loaded by the first run that needs it, so that reading works where it cannot be loaded.
const openOnGpu: ModelOpener = async (settings, work) => {
  const { openModelOnGpu } = await import("./openModel.ts");
  return openModelOnGpu(settings, work);
};
