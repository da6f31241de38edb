// One connection to a running engine: typed requests of src/protocol.ts over vscode-jsonrpc. Requests in flight when
// the engine goes away fail with EngineLostError; what they streamed until then stays with whoever observed it.

import { connect, type Socket } from "node:net";
import {
  CancellationTokenSource,
  createMessageConnection,
  ErrorCodes,
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
  /** False when it has crashed too often. */
  readonly startsAgain: boolean;
  constructor(message: string, startsAgain = true) {
    super(message);
    this.startsAgain = startsAgain;
  }
}

/** The request was stopped as asked. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
  /** False when the engine had not said so in time. */
  readonly isAcknowledged: boolean;
  constructor(message: string, isAcknowledged = true) {
    super(message);
    this.isAcknowledged = isAcknowledged;
  }
}

/** The engine is there and does not answer: it hangs, or is far busier than it should ever be. */
export class UnresponsiveError extends Error {
  override readonly name = "UnresponsiveError";
}

/** How a request is followed and ended. */
export interface Following {
  /** Hears its tokens and progress. */
  readonly observer?: Observer | undefined;
  /** Cancels it in the engine. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the engine counts as unresponsive; for requests that are answered at once. */
  readonly limitMs?: number | undefined;
}

/**
 * Milliseconds for which a stopped request waits for the engine's word. Its work is cut into pieces of 100 ms, and its event
 * loop is busy for a second or two while a model is loaded.
 */
const STOP_MS = 3000;

export interface EngineListener {
  status(status: Events["status"]): void;
  log(level: Events["log"]["level"], message: string): void;
  /** The connection is gone; `isExpected` when the engine had said that it stops or this side closed it. */
  closed(isExpected: boolean): void;
}

export class EngineClient {
  readonly #record: EngineRecord;
  readonly #socket: Socket;
  readonly #rpc: MessageConnection;
  readonly #observers = new Map<string, Observer>();
  readonly #lost: Promise<never>;
  #hasStopped = false;
  #nextStream = 0;

  /** Connect and shake hands, each within `limitMs`; throws when nobody answers there or the engine refuses. */
  static async connect(
    record: EngineRecord,
    client: string,
    listener: EngineListener,
    limitMs: number,
  ): Promise<{ client: EngineClient; snapshot: EngineSnapshot }> {
    const socket = await open(record, limitMs);
    const made = new EngineClient(record, socket, listener);
    const { token } = record;
    const params = { token, protocolVersion: PROTOCOL_VERSION, client };
    try {
      const snapshot = await made.#send("initialize", params, { limitMs });
      socket.on("close", () => listener.closed(made.#hasStopped));
      if (socket.destroyed) throw new EngineLostError("The engine has ended.");
      return { client: made, snapshot };
    } catch (error) {
      made.dispose();
      throw error;
    }
  }

  private constructor(record: EngineRecord, socket: Socket, listener: EngineListener) {
    this.#record = record;
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

  /** Send a request. */
  async request<M extends keyof Requests>(
    method: M,
    params: Params<M>,
    following: Following = {},
  ): Promise<Result<M>> {
    const streamId = String(this.#nextStream++);
    this.#observers.set(streamId, following.observer ?? {});
    try {
      return await this.#send(method, { ...params, streamId }, following);
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
    { signal, limitMs }: Following,
  ): Promise<Result<M>> {
    if (this.#socket.destroyed) throw new EngineLostError("The engine has ended.");
    if (signal?.aborted) throw new StoppedError("Stopped.");
    const cancellation = new CancellationTokenSource();
    const timers: NodeJS.Timeout[] = [];
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      const rejectAfter = (ms: number, error: Error) =>
        void timers.push(setTimeout(() => reject(error), ms));
      if (limitMs !== undefined) rejectAfter(limitMs, unresponsive(this.#record));
      cancel = () => {
        cancellation.cancel();
        rejectAfter(STOP_MS, new StoppedError("Stopped.", false));
      };
    });
    signal?.addEventListener("abort", cancel);
    try {
      const answer: Promise<Result<M>> = this.#rpc.sendRequest(method, params, cancellation.token);
      return await Promise.race([answer, this.#lost, late]);
    } catch (error) {
      throw asClientError(error, this.#socket.destroyed);
    } finally {
      signal?.removeEventListener("abort", cancel);
      for (const timer of timers) clearTimeout(timer);
      cancellation.dispose();
    }
  }
}

function unresponsive({ pid }: EngineRecord): UnresponsiveError {
  return new UnresponsiveError(
    `The engine, process ${pid}, does not answer. Lectern: Restart Engine ends it, for all windows, and starts another.`,
  );
}

function asClientError(error: unknown, isLost: boolean): unknown {
  if (error instanceof ResponseError && error.code === ERROR_CODES.stopped)
    return new StoppedError(error.message);
  if (error instanceof ResponseError && error.code === ERROR_CODES.user)
    return new Error(error.message);
  // This side has closed the connection while the request was running.
  if (error instanceof ResponseError && error.code === ErrorCodes.PendingResponseRejected)
    return new EngineLostError("The engine has ended.");
  if (error instanceof ResponseError) return error;
  if (error instanceof StoppedError || error instanceof UnresponsiveError) return error;
  if (isLost) return new EngineLostError("The engine has ended.");
  return error;
}

function open(record: EngineRecord, limitMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(record.socket);
    const timer = setTimeout(() => socket.destroy(unresponsive(record)), limitMs);
    socket.once("close", () => clearTimeout(timer));
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
