// Serves one EngineApi to every window of a user over an owner-only socket. Ends by itself when no window has been
// connected for `idleMs`, so an engine whose windows died does not keep the GPU.

import { createServer, type Server } from "node:net";
import type { EngineApi, EngineSnapshot, EngineStatus, Events, Observer } from "../protocol.ts";
import { UserError } from "./errors.ts";
import {
  type Method,
  type Params,
  type Result,
  ServerConnection,
  type Work,
} from "./serverConnection.ts";
import {
  type Endpoint,
  newEndpoint,
  ownerOnlyFolder,
  publish,
  withdraw,
} from "./serverEndpoint.ts";
import { ServerStatus } from "./serverStatus.ts";
import { Turns } from "./serverTurns.ts";

export interface ServerOptions {
  readonly api: EngineApi;
  /** Folder of the socket and of the record that leads to it; created for its owner alone. */
  readonly runtimeFolder: string;
  /** Tells engines of different versions apart. */
  readonly name: string;
  /** Milliseconds without a client after which the engine ends. */
  readonly idleMs?: number;
  readonly handshakeMs?: number;
  /** Called once, when the server has ended. */
  readonly onEnd: () => void;
}

/** Operations that run the model, so take turns, and how the status bar calls them. */
const activities: Partial<Record<Method, string>> = {
  ask: "Answering",
  summarize: "Summarizing",
  ingest: "Reading",
  fidelity: "Comparing caches",
  generate: "Generating",
};

export class EngineServer {
  readonly endpoint: Endpoint;
  readonly #options: ServerOptions;
  readonly #listener: Server;
  readonly #connections = new Set<ServerConnection>();
  readonly #turns = new Turns();
  readonly #status: ServerStatus;
  #idle: NodeJS.Timeout | undefined;
  #isEnded = false;

  /** Listen, then publish the record. */
  static async listen(options: ServerOptions): Promise<EngineServer> {
    ownerOnlyFolder(options.runtimeFolder);
    const server = new EngineServer(options, newEndpoint(options.runtimeFolder, options.name));
    await new Promise<void>((resolve, reject) => {
      server.#listener.once("error", reject);
      server.#listener.listen(server.endpoint.record.socket, resolve);
    });
    publish(server.endpoint);
    server.#watchIdle();
    return server;
  }

  private constructor(options: ServerOptions, endpoint: Endpoint) {
    this.#options = options;
    this.endpoint = endpoint;
    this.#status = new ServerStatus((status) => this.#broadcast("status", status));
    this.#listener = createServer((socket) => {
      this.#connections.add(
        new ServerConnection(socket, {
          token: endpoint.record.token,
          handshakeMs: options.handshakeMs ?? 5000,
          welcome: async () => {
            this.#watchIdle();
            return this.#snapshot();
          },
          handle: (method, params, work) => this.#handle(method, params, work),
          left: (connection) => {
            this.#connections.delete(connection);
            this.#watchIdle();
          },
        }),
      );
    });
  }

  get status(): EngineStatus {
    return this.#status.current;
  }

  /** Tell every window, and end. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#idle);
    withdraw(this.endpoint);
    this.#broadcast("status", { state: "stopped" });
    for (const connection of this.#connections) connection.end();
    this.#listener.close(() => this.#options.onEnd());
  }

  log(level: Events["log"]["level"], message: string): void {
    if (this.#numClients() > 0) this.#broadcast("log", { level, message });
    else process.stderr.write(`${level}: ${message}\n`);
  }

  #handle<M extends Method>(method: M, params: Params<M>, work: Work): Promise<Result<M>> {
    const operation: Operation<M> = this.#operations(work)[method];
    const observer: Observer = {
      token: (text) => work.frames.token(text),
      progress: (progress) => work.frames.progress(progress),
      log: (level, message) => this.log(level, message),
    };
    const activity = activities[method];
    if (activity === undefined) return operation(params, observer, work.signal);
    return this.#turns.run(work.signal, async () => {
      const report = this.#status.begin(activity);
      const progress: Observer["progress"] = (progress) => {
        work.frames.progress(progress);
        report.progress(progress);
      };
      try {
        return await operation(params, { ...observer, progress }, work.signal);
      } finally {
        report.end();
      }
    });
  }

  #operations(work: Work): { [M in Method]: Operation<M> } {
    const api = this.#options.api;
    return {
      ask: (params, ...rest) => api.ask(required(params, "paths", "question"), ...rest),
      summarize: (params, ...rest) => api.summarize(required(params, "path"), ...rest),
      generate: (params, ...rest) => api.generate(required(params, "prompt"), ...rest),
      read: (params, ...rest) => api.read(required(params, "paths"), ...rest),
      search: (params, ...rest) => api.search(required(params, "paths", "question"), ...rest),
      ingest: (params, ...rest) => api.ingest(required(params, "paths"), ...rest),
      savedCaches: (params) => api.savedCaches(params),
      cacheMap: () => api.cacheMap(),
      fidelity: (params, ...rest) => api.fidelity(required(params, "paths"), ...rest),
      models: () => api.models(),
      snapshot: () => this.#snapshot(),
      shutdown: async () => {
        this.log("info", `The engine was stopped by ${work.client}.`);
        withdraw(this.endpoint); // a window that starts from now on must not find this engine
        setTimeout(() => this.end(), 20); // after this request's answer
        return null;
      },
    };
  }

  async #snapshot(): Promise<EngineSnapshot> {
    const snapshot = await this.#options.api.snapshot();
    return {
      ...snapshot,
      status: this.status,
      pid: process.pid,
      clients: this.#numClients(),
    };
  }

  #numClients(): number {
    return [...this.#connections].filter((connection) => connection.isWelcome).length;
  }

  #broadcast<E extends keyof Events>(event: E, params: Events[E]): void {
    for (const connection of this.#connections) connection.notify(event, params);
  }

  #watchIdle(): void {
    clearTimeout(this.#idle);
    if (this.#isEnded || this.#numClients() > 0) return;
    this.#idle = setTimeout(() => this.end(), this.#options.idleMs ?? 30_000);
  }
}

type Operation<M extends Method> = (
  params: Params<M>,
  observer: Observer,
  signal: AbortSignal,
) => Promise<Result<M>>;

/** The params, if each named field is there; messages are checked here and trusted inside. */
function required<P extends object>(params: P, ...fields: (keyof P & string)[]): P {
  for (const field of fields) {
    if (params[field] === undefined) throw new UserError(`The request lacks "${field}".`);
  }
  return params;
}
