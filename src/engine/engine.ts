// The engine in process: reads documents, keeps one model loaded, answers. The command line uses it directly, windows of
// VS Code through src/engine/server.ts.

import type {
  Answer,
  AskParams,
  EngineApi,
  EngineSnapshot,
  GenerateParams,
  Generation,
  ModelSettings,
  Observer,
  ReadResult,
  Requests,
  RunStats,
  SummarizeParams,
  Summary,
} from "../protocol.ts";
import { answerQuestion } from "./answer/answerQuestion.ts";
import { readTexts } from "./answer/readTexts.ts";
import { searchPassages } from "./answer/searchPassages.ts";
import { Shelf } from "./answer/shelf.ts";
import { summarizeDocument } from "./answer/summarizeDocument.ts";
import { NoAdapterError } from "./errors.ts";
import { generateText } from "./generateText.ts";
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
  readonly #beganMs = performance.now();
  #embeddedTokenizer: Promise<Tokenizer> | undefined;
  #lastRun: RunStats | undefined;

  constructor({ openModel = openOnGpu, idleMs = fiveMinutesMs }: EngineOptions = {}) {
    this.#host = new ModelHost(openModel, idleMs);
  }

  /** Answer a question; without any adapter, with exact quotes alone. */
  async ask(params: AskParams, observer: Observer, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#useIfAdapter(params, { observer, signal }, (tools, watched) =>
      answerQuestion(params, { shelf: this.#shelf, ...tools }, { observer: watched, signal }),
    );
    this.#lastRun = answer.stats ?? this.#lastRun;
    return answer;
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
