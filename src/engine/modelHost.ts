// Keeps the one loaded model: opened on first use, anew when the settings change or the device was lost, closed when idle.

import type { AdapterInfo, EngineStatus, ModelInfo, ModelSettings, Observer } from "../protocol.ts";
import { OutOfMemoryError, throwIfStopped } from "./errors.ts";
import type { LanguageModel } from "./languageModel.ts";

/** A model on a device, and all that must go when it closes. */
export interface OpenModel {
  readonly model: LanguageModel;
  readonly info: ModelInfo;
  readonly adapter: AdapterInfo;
  /** The model's file as it was when it was loaded, see modelDigest. */
  readonly fileVersion?: string;
  /** The device is gone: nothing can run on it any more. */
  readonly isLost: boolean;
  /** Bytes on the GPU by purpose. */
  gpuBytes(): Readonly<Record<string, number>>;
  dispose(): void;
}

/** Opens a device and loads a model onto it. */
export type ModelOpener = (settings: ModelSettings, work: Work) => Promise<OpenModel>;

export interface Work {
  readonly observer: Observer;
  readonly signal: AbortSignal;
}

export class ModelHost {
  readonly #open: ModelOpener;
  readonly #idleMs: number;
  #opened: { readonly key: string; readonly model: OpenModel } | undefined;
  #idle: NodeJS.Timeout | undefined;
  #status: EngineStatus = { state: "idle" };
  /** Settles when the work before has ended: one model runs one thing at a time. */
  #turn: Promise<void> = Promise.resolve();
  #isDisposed = false;

  constructor(open: ModelOpener, idleMs: number) {
    this.#open = open;
    this.#idleMs = idleMs;
  }

  get status(): EngineStatus {
    return this.#status;
  }

  /** The model that is open now, if any. */
  get current(): OpenModel | undefined {
    return this.#opened?.model;
  }

  /**
   * Run `work` with the model that `settings` ask for. When the device is lost before anything was streamed, the model is
   * loaded anew and the work repeated once.
   */
  async use<T>(
    settings: ModelSettings,
    { observer, signal }: Work,
    work: (opened: OpenModel, observer: Observer) => Promise<T>,
  ): Promise<T> {
    const turn = this.#turn;
    let end = () => {};
    this.#turn = new Promise((resolve) => {
      end = resolve;
    });
    await turn;
    clearTimeout(this.#idle);
    let hasStreamed = false;
    const watched: Observer = {
      progress: (progress) => observer.progress?.(progress),
      log: (level, message) => observer.log?.(level, message),
      token: (text) => {
        hasStreamed = true;
        observer.token?.(text);
      },
    };
    try {
      const opened = await this.#ensureOpen(settings, { observer, signal });
      try {
        return await work(opened, watched);
      } catch (error) {
        const isFinal = hasStreamed || signal.aborted || error instanceof OutOfMemoryError;
        if (!opened.isLost || isFinal) throw error;
        observer.log?.("warn", "The GPU device was lost: loading the model anew.");
        return await work(await this.#ensureOpen(settings, { observer, signal }), watched);
      }
    } finally {
      this.#status = { state: "idle" };
      this.#closeWhenIdle();
      end();
    }
  }

  /** Close the model and its device. */
  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#idle);
    this.#close();
  }

  async #ensureOpen(settings: ModelSettings, work: Work): Promise<OpenModel> {
    throwIfStopped(work.signal);
    const key = JSON.stringify(Object.entries(settings).sort());
    if (this.#opened?.key === key && !this.#opened.model.isLost) {
      this.#status = { state: "busy", activity: "Running" };
      return this.#opened.model;
    }
    this.#close();
    this.#status = { state: "loading", model: settings.model ?? "the embedded model" };
    const model = await this.#open(settings, work);
    this.#opened = { key, model };
    this.#status = { state: "busy", activity: "Running" };
    return model;
  }

  #close(): void {
    this.#opened?.model.dispose();
    this.#opened = undefined;
  }

  #closeWhenIdle(): void {
    if (this.#opened?.model.isLost || this.#isDisposed) {
      this.#close();
      return;
    }
    clearTimeout(this.#idle);
    // A device that nobody uses still holds its memory; loading again is quick.
    this.#idle = setTimeout(() => this.#close(), this.#idleMs);
    this.#idle.unref();
  }
}
