// Every message between the webview, the extension host and the engine, typed once. Imports nothing but its own parts.
// The command line calls the same operations in process, so these types are also its JSON.

import type {
  Answer,
  Generation,
  Passage,
  ReadResult,
  Skipped,
  Summary,
} from "./protocol/answers.ts";
import type { EngineSnapshot, EngineStatus, ModelInfo, Progress } from "./protocol/engineState.ts";
import type { CacheMap, Fidelity, Ingestion, SavedCaches } from "./protocol/savedCaches.ts";
import type {
  AskParams,
  GenerateParams,
  IngestParams,
  SummarizeParams,
} from "./protocol/settings.ts";

export type * from "./protocol/answers.ts";
export type * from "./protocol/chat.ts";
export type * from "./protocol/engineState.ts";
export type * from "./protocol/savedCaches.ts";
export type * from "./protocol/settings.ts";
export type * from "./protocol/stats.ts";

/** Raised whenever a message changes meaning; engine and client refuse each other on a mismatch. */
export const PROTOCOL_VERSION = 1;

/** Codes of the errors an engine answers a request with. */
export const ERROR_CODES = {
  /** A failure the user can act on; the message is the whole story. */
  user: 1,
  /** The token is wrong or missing: the connection ends. */
  unauthorised: 2,
  /** Client and engine speak different protocols: the connection ends. */
  protocolVersion: 3,
  /** The request was cancelled (JSON-RPC's RequestCancelled, as in the Language Server Protocol). */
  stopped: -32800,
} as const;

/** How windows find the running engine: a file only its owner can read, beside the socket. */
export interface EngineRecord {
  readonly pid: number;
  /** Path of the Unix socket, or name of the named pipe. */
  readonly socket: string;
  /** Secret of the handshake. */
  readonly token: string;
  readonly protocolVersion: number;
}

/** Requests a client sends to the engine: params and result, inferred on both sides. */
export interface Requests {
  initialize: {
    params: { readonly token: string; readonly protocolVersion: number; readonly client: string };
    result: EngineSnapshot;
  };
  ask: { params: AskParams & Stream; result: Answer };
  summarize: { params: SummarizeParams & Stream; result: Summary };
  generate: { params: GenerateParams & Stream; result: Generation };
  ingest: { params: IngestParams & Stream; result: Ingestion };
  savedCaches: {
    params: { readonly cacheDir?: string };
    result: SavedCaches;
  };
  fidelity: { params: IngestParams & Stream; result: Fidelity };
  /** Null where no saved cache is loaded. */
  cacheMap: { params: Record<string, never>; result: { readonly map: CacheMap | null } };
  read: { params: { readonly paths: readonly string[] } & Stream; result: ReadResult };
  search: {
    params: {
      readonly paths: readonly string[];
      readonly question: string;
      readonly limit?: number;
    } & Stream;
    result: { readonly passages: readonly Passage[]; readonly skipped: readonly Skipped[] };
  };
  models: { params: Record<string, never>; result: { readonly models: readonly ModelInfo[] } };
  snapshot: { params: Record<string, never>; result: EngineSnapshot };
  shutdown: { params: Record<string, never>; result: null };
}

/** Long requests carry a client-chosen id; their events bear it. */
export interface Stream {
  readonly streamId?: string;
}

/** Notifications the engine sends. */
export interface Events {
  status: EngineStatus;
  progress: { readonly streamId: string; readonly progress: Progress };
  token: { readonly streamId: string; readonly text: string };
  log: { readonly level: "debug" | "info" | "warn" | "error"; readonly message: string };
}

/** What an operation reports while it runs. */
export interface Observer {
  progress?(progress: Progress): void;
  token?(text: string): void;
  log?(level: Events["log"]["level"], message: string): void;
}

/** The engine as its clients see it: implemented in process (command line) and over the socket (extension). */
export interface EngineApi {
  ask(params: AskParams, observer: Observer, signal: AbortSignal): Promise<Answer>;
  summarize(params: SummarizeParams, observer: Observer, signal: AbortSignal): Promise<Summary>;
  generate(params: GenerateParams, observer: Observer, signal: AbortSignal): Promise<Generation>;
  ingest(params: IngestParams, observer: Observer, signal: AbortSignal): Promise<Ingestion>;
  savedCaches(
    params: Requests["savedCaches"]["params"],
  ): Promise<Requests["savedCaches"]["result"]>;
  cacheMap(): Promise<Requests["cacheMap"]["result"]>;
  fidelity(params: IngestParams, observer: Observer, signal: AbortSignal): Promise<Fidelity>;
  read(
    params: Requests["read"]["params"],
    observer: Observer,
    signal: AbortSignal,
  ): Promise<ReadResult>;
  search(
    params: Requests["search"]["params"],
    observer: Observer,
    signal: AbortSignal,
  ): Promise<Requests["search"]["result"]>;
  models(): Promise<Requests["models"]["result"]>;
  snapshot(): Promise<EngineSnapshot>;
}
