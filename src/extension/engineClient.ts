// One connection to a running engine: typed requests of src/protocol.ts over vscode-jsonrpc. Requests in flight when
// the engine goes away fail with EngineLostError; what they streamed until then stays with whoever observed it.

import { connect, type Socket } from "node:net";
import {
  CancellationTokenSource,
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import {
  type EngineRecord,
  type EngineSnapshot,
  ERROR_CODES,
  type Events,
  type Observer,
  PROTOCOL_VERSION,
  type Requests,
} from "../protocol.ts";

export type Params<M extends keyof Requests> = Requests[M]["params"];
export type Result<M extends keyof Requests> = Requests[M]["result"];

/** The engine ended, or was killed, while a request was running. */
export class EngineLostError extends Error {
  override readonly name = "EngineLostError";
}

/** The request was stopped as asked. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
}

export interface EngineListener {
  status(status: Events["status"]): void;
  log(level: Events["log"]["level"], message: string): void;
  /** The connection is gone; `isExpected` when the engine had said that it stops or this side closed it. */
  closed(isExpected: boolean): void;
}

export class EngineClient {
  readonly #socket: Socket;
  readonly #rpc: MessageConnection;
  readonly #observers = new Map<string, Observer>();
  readonly #lost: Promise<never>;
  #hasStopped = false;
  #nextStream = 0;

  /** Connect and shake hands; throws when nobody answers there or the engine refuses. */
  static async connect(
    record: EngineRecord,
    client: string,
    listener: EngineListener,
  ): Promise<{ client: EngineClient; snapshot: EngineSnapshot }> {
    const socket = await open(record.socket);
    const made = new EngineClient(socket, listener);
    const { token } = record;
    const params = { token, protocolVersion: PROTOCOL_VERSION, client };
    try {
      const snapshot = await made.#send("initialize", params);
      socket.on("close", () => listener.closed(made.#hasStopped));
      if (socket.destroyed) throw new EngineLostError("The engine has ended.");
      return { client: made, snapshot };
    } catch (error) {
      made.dispose();
      throw error;
    }
  }

  private constructor(socket: Socket, listener: EngineListener) {
    this.#socket = socket;
    this.#rpc = createMessageConnection(
      new SocketMessageReader(socket),
      new SocketMessageWriter(socket),
    );
    this.#lost = new Promise((_, reject) => {
      socket.on("close", () => reject(new EngineLostError("The engine has ended.")));
    });
    this.#lost.catch(() => {}); // requests in flight observe it; with none there is nothing to report
    socket.on("error", () => socket.destroy());
    this.#rpc.onNotification("status", (status: Events["status"]) => {
      if (status.state === "stopped") this.#hasStopped = true;
      listener.status(status);
    });
    this.#rpc.onNotification("log", ({ level, message }: Events["log"]) =>
      listener.log(level, message),
    );
    this.#rpc.onNotification("token", ({ streamId, text }: Events["token"]) =>
      this.#observers.get(streamId)?.token?.(text),
    );
    this.#rpc.onNotification("progress", ({ streamId, progress }: Events["progress"]) =>
      this.#observers.get(streamId)?.progress?.(progress),
    );
    this.#rpc.onError(() => socket.destroy());
    this.#rpc.listen();
  }

  /** Send a request; `observer` hears its tokens and progress, `signal` cancels it in the engine. */
  async request<M extends keyof Requests>(
    method: M,
    params: Params<M>,
    observer: Observer = {},
    signal?: AbortSignal,
  ): Promise<Result<M>> {
    const streamId = String(this.#nextStream++);
    this.#observers.set(streamId, observer);
    try {
      return await this.#send(method, { ...params, streamId }, signal);
    } finally {
      this.#observers.delete(streamId);
    }
  }

  /** Close the connection; the engine goes on for other windows. */
  dispose(): void {
    this.#hasStopped = true;
    this.#rpc.dispose();
    this.#socket.destroy();
  }

  async #send<M extends keyof Requests>(
    method: M,
    params: Params<M>,
    signal?: AbortSignal,
  ): Promise<Result<M>> {
    if (this.#socket.destroyed) throw new EngineLostError("The engine has ended.");
    const cancellation = new CancellationTokenSource();
    const cancel = () => cancellation.cancel();
    if (signal?.aborted) throw new StoppedError("Stopped.");
    signal?.addEventListener("abort", cancel);
    try {
      const answer: Promise<Result<M>> = this.#rpc.sendRequest(method, params, cancellation.token);
      return await Promise.race([answer, this.#lost]);
    } catch (error) {
      throw asClientError(error, this.#socket.destroyed);
    } finally {
      signal?.removeEventListener("abort", cancel);
      cancellation.dispose();
    }
  }
}

function asClientError(error: unknown, isLost: boolean): unknown {
  if (error instanceof ResponseError && error.code === ERROR_CODES.stopped)
    return new StoppedError(error.message);
  if (error instanceof ResponseError && error.code === ERROR_CODES.user)
    return new Error(error.message);
  if (error instanceof ResponseError) return error;
  if (isLost) return new EngineLostError("The engine has ended.");
  return error;
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
