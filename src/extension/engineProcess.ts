// The engine as one window sees it: started on first use, restarted after a crash, asked through typed requests.
// Knows nothing of VS Code, so that its policy can be tested without it.

import type { EngineSnapshot, EngineStatus, Observer, Requests } from "../protocol.ts";
import type { EngineListener } from "./engineClient.ts";
import { type EngineClient, EngineLostError, type Params, type Result } from "./engineClient.ts";
import type { Launched } from "./engineLaunch.ts";
import { RestartPolicy } from "./restartPolicy.ts";

export interface EngineProcessOptions {
  launch(listener: EngineListener): Promise<Launched>;
  onStatus(status: EngineStatus): void;
  onLog: EngineListener["log"];
  /** Called when the engine has crashed too often to be started again. */
  onGaveUp(message: string): void;
}

export class EngineProcess {
  readonly #options: EngineProcessOptions;
  readonly #policy = new RestartPolicy();
  #launching: Promise<EngineClient> | undefined;
  /** Tells events of the present connection from those of an earlier one. */
  #attempt: object | undefined;
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
    const client = await this.#client();
    return client.request(method, params, observer, signal);
  }

  /** End the engine, for all windows, and start it again. */
  async restart(): Promise<void> {
    clearTimeout(this.#restart);
    this.#policy.reset();
    const running = await this.#launching?.catch(() => undefined);
    this.#launching = undefined;
    if (running) {
      await running.request("shutdown", {}).catch(() => {}); // gone already is as good
      running.dispose();
    }
    await this.#client();
  }

  /** Leave the engine; it ends by itself after its last window. */
  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#restart);
    this.#launching?.then((client) => client.dispose()).catch(() => {});
  }

  #client(): Promise<EngineClient> {
    if (!this.#launching && !this.#policy.mayStart(performance.now())) {
      const message = this.#status.state === "failed" ? this.#status.message : TOO_MANY_CRASHES;
      return Promise.reject(new Error(message));
    }
    clearTimeout(this.#restart);
    this.#launching ??= this.#launch();
    return this.#launching;
  }

  async #launch(): Promise<EngineClient> {
    this.#setStatus({ state: "starting" });
    const attempt = {};
    this.#attempt = attempt;
    const isCurrent = () => this.#attempt === attempt && !this.#isDisposed;
    try {
      const { client, snapshot } = await this.#options.launch({
        status: (status) => isCurrent() && this.#setStatus(status),
        log: this.#options.onLog,
        closed: (isExpected) => isCurrent() && this.#closed(isExpected),
      });
      this.#snapshot = snapshot;
      this.#setStatus(snapshot.status);
      this.#options.onLog("info", `Attached to the engine, process ${snapshot.pid}.`);
      return client;
    } catch (error) {
      this.#launching = undefined;
      const message = error instanceof Error ? error.message : String(error);
      this.#options.onLog("error", message);
      this.#setStatus({ state: "failed", message });
      throw error;
    }
  }

  #closed(isExpected: boolean): void {
    this.#launching = undefined;
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

/** Whether `error` means that the engine went away in the middle of the work. */
export function isEngineLost(error: unknown): boolean {
  return error instanceof EngineLostError;
}

const TOO_MANY_CRASHES =
  "The engine crashed five times within three minutes and was not started again: see the log, then run Lectern: Restart Engine.";
