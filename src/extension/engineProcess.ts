// The engine as one window sees it: started on first use, restarted after a crash, asked through typed requests.
// Knows nothing of VS Code, so that its policy can be tested without it.

import type { EngineSnapshot, EngineStatus, Observer, Requests } from "../protocol.ts";
import {
  type EngineClient,
  type EngineListener,
  EngineLostError,
  type Params,
  type Result,
  StoppedError,
  UnresponsiveError,
} from "./engineClient.ts";
import type { Launched } from "./engineLaunch.ts";
import { RestartPolicy } from "./restartPolicy.ts";

export interface EngineProcessOptions {
  /** Throws where nothing may run as things are, which is no failure of the engine. */
  check(): void;
  /** Attach to the engine, or start it; `signal` gives that up. */
  launch(listener: EngineListener, signal: AbortSignal): Promise<Launched>;
  /** End the engine for all windows, whether it answers or hangs. */
  end(): Promise<void>;
  onStatus(status: EngineStatus): void;
  onLog: EngineListener["log"];
  /** Called when only the user can help: the engine has crashed too often to be started again, or hangs. */
  onGaveUp(message: string): void;
}

/** Milliseconds for a sign of life from an engine that has not answered Stop. */
const SIGN_OF_LIFE_MS = 2000;

export class EngineProcess {
  readonly #options: EngineProcessOptions;
  readonly #policy = new RestartPolicy();
  #launching: Promise<EngineClient> | undefined;
  /** Tells events of the present connection from those of an earlier one; aborted when it is given up. */
  #attempt: AbortController | undefined;
  #attached: EngineClient | undefined;
  /** The end of the last engine, which the next one waits for. */
  #ending: Promise<void> | undefined;
  #restart: NodeJS.Timeout | undefined;
  #status: EngineStatus = { state: "stopped" };
  #snapshot: EngineSnapshot | undefined;
  #isDisposed = false;

  constructor(options: EngineProcessOptions) {
    this.#options = options;
  }

  get status(): EngineStatus {
    return this.#status;
  }

  /** What the engine said of itself when this window attached last. */
  get snapshot(): EngineSnapshot | undefined {
    return this.#snapshot;
  }

  /** Ask the engine, starting it if need be. */
  async request<M extends keyof Requests>(
    method: M,
    params: Params<M>,
    observer: Observer = {},
    signal?: AbortSignal,
  ): Promise<Result<M>> {
    const client = await unlessStopped(this.#client(), signal);
    try {
      return await client.request(method, params, { observer, signal });
    } catch (error) {
      if (error instanceof StoppedError && !error.isAcknowledged) void this.#lookAfter(client);
      if (!(error instanceof EngineLostError)) throw error;
      throw new EngineLostError(error.message, this.#policy.mayStart(performance.now()));
    }
  }

  /** End the engine, for all windows, and start it again. */
  async restart(): Promise<void> {
    this.#options.check();
    this.#policy.reset();
    this.#attempt?.abort();
    this.#attempt = undefined;
    this.#launching = undefined;
    this.#attached?.dispose();
    this.#attached = undefined;
    this.#ending ??= this.#options.end().finally(() => {
      this.#ending = undefined;
    });
    await this.#client();
  }

  /** Leave the engine; it ends by itself after its last window. */
  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#restart);
    this.#launching?.then((client) => client.dispose()).catch(() => {});
  }

  /** Say so when the engine hangs; one that works on behind a Stop gives a sign of life. */
  async #lookAfter(client: EngineClient): Promise<void> {
    try {
      await client.request("snapshot", {}, { limitMs: SIGN_OF_LIFE_MS });
    } catch (error) {
      if (!(error instanceof UnresponsiveError) || client !== this.#attached) return;
      this.#options.onLog("error", error.message);
      this.#setStatus({ state: "failed", message: error.message });
      this.#options.onGaveUp(error.message);
    }
  }

  async #client(): Promise<EngineClient> {
    this.#options.check();
    if (!this.#launching && !this.#policy.mayStart(performance.now())) {
      const message = this.#status.state === "failed" ? this.#status.message : TOO_MANY_CRASHES;
      throw new Error(message);
    }
    clearTimeout(this.#restart);
    this.#launching ??= this.#launch();
    return this.#launching;
  }

  async #launch(): Promise<EngineClient> {
    this.#setStatus({ state: "starting" });
    const attempt = new AbortController();
    this.#attempt = attempt;
    const isCurrent = () => this.#attempt === attempt && !this.#isDisposed;
    const listener: EngineListener = {
      status: (status) => isCurrent() && this.#setStatus(status),
      log: this.#options.onLog,
      closed: (isExpected) => isCurrent() && this.#closed(isExpected),
    };
    try {
      await this.#ending;
      const { client, snapshot } = await this.#options.launch(listener, attempt.signal);
      if (attempt.signal.aborted) client.dispose();
      attempt.signal.throwIfAborted();
      this.#attached = client;
      this.#snapshot = snapshot;
      this.#setStatus(snapshot.status);
      this.#options.onLog("info", `Attached to the engine, process ${snapshot.pid}.`);
      return client;
    } catch (error) {
      // Who waits for an engine that was restarted meanwhile gets the next one.
      if (attempt.signal.aborted) return this.#client();
      this.#launching = undefined;
      const message = error instanceof Error ? error.message : String(error);
      this.#options.onLog("error", message);
      this.#setStatus({ state: "failed", message });
      throw error;
    }
  }

  #closed(isExpected: boolean): void {
    this.#launching = undefined;
    this.#attached = undefined;
    if (isExpected) {
      this.#setStatus({ state: "stopped" });
      return;
    }
    const pauseMs = this.#policy.crashed(performance.now());
    if (pauseMs === undefined) {
      this.#setStatus({ state: "failed", message: TOO_MANY_CRASHES });
      this.#options.onGaveUp(TOO_MANY_CRASHES);
      return;
    }
    this.#options.onLog("warn", `The engine was lost; it starts again in ${pauseMs} ms.`);
    this.#setStatus({ state: "starting" });
    this.#restart = setTimeout(() => this.#client().catch(() => {}), pauseMs); // failure is in the status
  }

  #setStatus(status: EngineStatus): void {
    this.#status = status;
    this.#options.onStatus(status);
  }
}

/** What `work` gives, unless `signal` aborts first; the work goes on for others. */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new StoppedError("Stopped."));
  });
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

const TOO_MANY_CRASHES =
  "The engine crashed five times within three minutes and was not started again: see the log, then run Lectern: Restart Engine.";
