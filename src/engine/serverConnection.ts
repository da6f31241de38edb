// One client of the engine: handshake first, then requests of src/protocol.ts over vscode-jsonrpc. Cancelling a request,
// or closing the socket, aborts the work behind it.

import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import {
  type CancellationToken,
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { ERROR_CODES, type Events, PROTOCOL_VERSION, type Requests } from "../protocol.ts";
import { StoppedError, UserError } from "./errors.ts";
import { Frames } from "./serverFrames.ts";

/** Requests that need the handshake behind them. */
export type Method = Exclude<keyof Requests, "initialize">;
export type Params<M extends keyof Requests> = Requests[M]["params"];
export type Result<M extends keyof Requests> = Requests[M]["result"];

/** What the server does for a client that has shaken hands. */
export interface ConnectionHost {
  readonly token: string;
  /** Milliseconds a client may take for its handshake. */
  readonly handshakeMs: number;
  welcome(connection: ServerConnection): Promise<Result<"initialize">>;
  handle<M extends Method>(method: M, params: Params<M>, work: Work): Promise<Result<M>>;
  left(connection: ServerConnection): void;
}

/** How one request reports and learns that it was cancelled. */
export interface Work {
  readonly frames: Frames;
  readonly signal: AbortSignal;
  readonly client: string;
}

const METHODS: readonly Method[] = [
  "ask",
  "summarize",
  "generate",
  "read",
  "search",
  "ingest",
  "savedCaches",
  "cacheMap",
  "fidelity",
  "models",
  "snapshot",
  "shutdown",
];

export class ServerConnection {
  client = "";
  readonly #socket: Socket;
  readonly #rpc: MessageConnection;
  readonly #host: ConnectionHost;
  readonly #closed = new AbortController();
  #isWelcome = false;
  #written: Promise<void> = Promise.resolve();

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#rpc = createMessageConnection(
      new SocketMessageReader(socket),
      new SocketMessageWriter(socket),
    );
    const late = setTimeout(() => socket.destroy(), host.handshakeMs);
    this.#rpc.onRequest("initialize", async (params: Params<"initialize">) => {
      const result = await this.#shakeHands(params);
      clearTimeout(late);
      return result;
    });
    for (const method of METHODS) this.#serve(method);
    this.#rpc.onError(() => socket.destroy()); // garbage on the wire: this client is not one of ours
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(late);
      this.#closed.abort();
      this.#rpc.dispose();
      host.left(this);
    });
    this.#rpc.listen();
  }

  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  /** Send a notification; a client that is going away misses it. */
  notify<E extends keyof Events>(event: E, params: Events[E]): void {
    if (!this.#isWelcome || this.#socket.destroyed) return;
    this.#written = this.#rpc
      .sendNotification(event, params)
      .catch(() => void this.#socket.destroy());
  }

  /** Close after what was said has been written. */
  end(): void {
    void this.#written.then(() => this.#socket.end());
    setTimeout(() => this.#socket.destroy(), 500).unref();
  }

  async #shakeHands(params: Params<"initialize">): Promise<Result<"initialize">> {
    if (!isSameSecret(params?.token, this.#host.token)) {
      this.#endSoon();
      throw new ResponseError(
        ERROR_CODES.unauthorised,
        "The token is not this engine's: reload the window.",
      );
    }
    if (params.protocolVersion !== PROTOCOL_VERSION) {
      this.#endSoon();
      throw new ResponseError(
        ERROR_CODES.protocolVersion,
        `The engine speaks protocol ${PROTOCOL_VERSION}, this window ${params.protocolVersion}: reload the window.`,
      );
    }
    this.client = String(params.client);
    this.#isWelcome = true;
    return this.#host.welcome(this);
  }

  /** Leave the error time to be written, then close. */
  #endSoon(): void {
    setTimeout(() => this.end(), 20);
  }

  #serve<M extends Method>(method: M): void {
    const answer = async (params: Params<M>, token: CancellationToken): Promise<unknown> => {
      if (!this.#isWelcome) {
        this.#endSoon();
        throw new ResponseError(ERROR_CODES.unauthorised, "initialize comes first.");
      }
      const stop = new AbortController();
      const cancelled = token.onCancellationRequested(() => stop.abort());
      const signal = AbortSignal.any([stop.signal, this.#closed.signal]);
      const frames = this.#frames(params);
      try {
        return await this.#host.handle(method, params ?? {}, {
          frames,
          signal,
          client: this.client,
        });
      } catch (error) {
        throw asResponseError(error);
      } finally {
        frames.flush();
        cancelled.dispose();
      }
    };
    this.#rpc.onRequest<unknown, unknown>(method, answer);
  }

  #frames(params: unknown): Frames {
    const streamId = isStream(params) ? params.streamId : undefined;
    return new Frames({
      isReady: () => !this.#socket.writableNeedDrain,
      token: (text) => {
        if (streamId !== undefined) this.notify("token", { streamId, text });
      },
      progress: (progress) => {
        if (streamId !== undefined) this.notify("progress", { streamId, progress });
      },
    });
  }
}

function isStream(params: unknown): params is { streamId: string } {
  return (
    typeof params === "object" &&
    params !== null &&
    "streamId" in params &&
    typeof params.streamId === "string"
  );
}

/** Compare in constant time: the answer's delay must not spell the secret. */
function isSameSecret(given: unknown, secret: string): boolean {
  if (typeof given !== "string") return false;
  const a = Buffer.from(given);
  const b = Buffer.from(secret);
  return a.length === b.length && timingSafeEqual(a, b);
}

function asResponseError(error: unknown): ResponseError<unknown> {
  if (error instanceof ResponseError) return error;
  if (error instanceof StoppedError) return new ResponseError(ERROR_CODES.stopped, error.message);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UserError) return new ResponseError(ERROR_CODES.user, message);
  const stack = error instanceof Error ? error.stack : undefined;
  return new ResponseError(-32603, `The engine failed: ${message}`, { stack });
}
