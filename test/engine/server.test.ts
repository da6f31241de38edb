// The engine's socket server over a real socket, with an EngineApi whose work the tests control.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CancellationTokenSource,
  createMessageConnection,
  type MessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { StoppedError } from "../../src/engine/errors.ts";
import { EngineServer } from "../../src/engine/server.ts";
import {
  type Answer,
  type AskParams,
  type EngineApi,
  type EngineRecord,
  type EngineSnapshot,
  ERROR_CODES,
  type Observer,
  PROTOCOL_VERSION,
} from "../../src/protocol.ts";

const answer: Answer = {
  found: true,
  answer: "Call me Ishmael.",
  citations: [],
  coverage: {
    tokensTotal: 1,
    tokensSearched: 1,
    tokensInCache: 0,
    tokensReread: 1,
    skipped: [],
  },
};

const snapshot: EngineSnapshot = {
  status: { state: "idle" },
  node: { executable: process.execPath, version: process.version },
  pid: process.pid,
  uptimeMs: 0,
  hostBytes: 0,
  gpuBytes: {},
  clients: 0,
};

describe("engine server", () => {
  let folder: string;
  let server: EngineServer;
  let ended: Promise<void>;
  let asked: { params: AskParams; observer: Observer; signal: AbortSignal }[];
  let finish: (result: Answer) => void;
  const clients: Client[] = [];

  beforeEach(async () => {
    folder = join(mkdtempSync(join(tmpdir(), "lectern-server-")), "run");
    await listen({});
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    server.end();
    await ended;
    rmSync(join(folder, ".."), { recursive: true, force: true });
  });

  async function listen(options: { idleMs?: number }) {
    asked = [];
    const api = fakeApi((params, observer, signal) => {
      asked.push({ params, observer, signal });
      return new Promise((done, fail) => {
        finish = done;
        signal.addEventListener("abort", () => fail(new StoppedError()));
      });
    });
    let end = () => {};
    ended = new Promise((resolve) => {
      end = resolve;
    });
    const where = { runtimeFolder: folder, name: "test" };
    server = await EngineServer.listen({ api, ...where, ...options, onEnd: () => end() });
  }

  async function client(options: { token?: string; protocolVersion?: number } = {}) {
    const record = readRecord();
    const made = await Client.open(record.socket);
    clients.push(made);
    const { token = record.token, protocolVersion = PROTOCOL_VERSION } = options;
    const initialized: Promise<EngineSnapshot> = made.rpc.sendRequest("initialize", {
      token,
      protocolVersion,
      client: "test",
    });
    return { ...made, initialized };
  }

  function readRecord(): EngineRecord {
    return JSON.parse(readFileSync(join(folder, "test.json"), "utf8"));
  }

  it("lets only its owner reach the socket and the token", function () {
    if (process.platform === "win32") this.skip();
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, "test.json")).mode & 0o777, 0o600);
    assert.match(readRecord().token, /^[0-9a-f]{64}$/);
  });

  it("welcomes a client that knows the token", async () => {
    const { initialized } = await client();
    const welcome = await initialized;
    assert.equal(welcome.pid, process.pid);
    assert.equal(welcome.clients, 1);
  });

  it("refuses a wrong token and closes the connection", async () => {
    const { initialized, closed } = await client({ token: "0".repeat(64) });
    await assert.rejects(initialized, { code: ERROR_CODES.unauthorised });
    await closed;
  });

  it("refuses another protocol version, saying both", async () => {
    const { initialized, closed } = await client({ protocolVersion: 999 });
    await assert.rejects(initialized, { code: ERROR_CODES.protocolVersion, message: /999/ });
    await closed;
  });

  it("refuses requests before the handshake", async () => {
    const made = await Client.open(readRecord().socket);
    clients.push(made);
    await assert.rejects(made.rpc.sendRequest("snapshot", {}), { code: ERROR_CODES.unauthorised });
    await made.closed;
  });

  it("drops a client that sends something else than messages", async () => {
    const made = await Client.open(readRecord().socket);
    clients.push(made);
    made.socket.write("GET / HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n");
    await made.closed;
    await (await client()).initialized;
  });

  it("sends tokens in frames and all of them before the result", async () => {
    const { rpc, initialized } = await client();
    await initialized;
    const frames: string[] = [];
    rpc.onNotification("token", (event: { streamId: string; text: string }) => {
      assert.equal(event.streamId, "s1");
      frames.push(event.text);
    });
    const result = rpc.sendRequest("ask", { paths: ["."], question: "?", streamId: "s1" });
    await until(() => asked.length === 1);
    const words = "Call me Ishmael. Some years ago, never mind how long precisely".split(/(?= )/);
    for (const word of words) asked[0]?.observer.token?.(word);
    finish(answer);
    assert.deepEqual(await result, answer);
    assert.equal(frames.join(""), words.join(""));
    assert.ok(frames.length < words.length, `${frames.length} messages for ${words.length} tokens`);
  });

  it("aborts the work when the request is cancelled", async () => {
    const { rpc, initialized } = await client();
    await initialized;
    const cancellation = new CancellationTokenSource();
    const result = rpc.sendRequest("ask", { paths: ["."], question: "?" }, cancellation.token);
    await until(() => asked.length === 1);
    cancellation.cancel();
    await assert.rejects(result, { code: ERROR_CODES.stopped });
    assert.equal(asked[0]?.signal.aborted, true);
  });

  it("aborts the work of a client that has gone", async () => {
    const { rpc, initialized, socket } = await client();
    await initialized;
    rpc.sendRequest("ask", { paths: ["."], question: "?" }).catch(() => {});
    await until(() => asked.length === 1);
    socket.destroy();
    await until(() => asked[0]?.signal.aborted === true);
  });

  it("serves two clients and lets their questions take turns", async () => {
    const first = await client();
    const second = await client();
    await first.initialized;
    assert.equal((await second.initialized).clients, 2);
    const one = first.rpc.sendRequest("ask", { paths: ["."], question: "one" });
    await until(() => asked.length === 1);
    const two = second.rpc.sendRequest("ask", { paths: ["."], question: "two" });
    const status: EngineSnapshot = await second.rpc.sendRequest("snapshot", {});
    assert.deepEqual(status.status, { state: "busy", activity: "Answering" });
    assert.equal(asked.length, 1, "the second question waits");
    finish(answer);
    await one;
    await until(() => asked.length === 2);
    assert.equal(asked[1]?.params.question, "two");
    finish(answer);
    await two;
  });

  it("names the field a request lacks", async () => {
    const { rpc, initialized } = await client();
    await initialized;
    await assert.rejects(rpc.sendRequest("ask", { paths: ["."] }), {
      code: ERROR_CODES.user,
      message: /question/,
    });
  });

  it("ends after the last client has left and takes its files along", async () => {
    server.end();
    await ended;
    await listen({ idleMs: 50 });
    const { socket } = readRecord();
    const { initialized, socket: mine } = await client();
    await initialized;
    mine.destroy();
    await ended;
    assert.equal(existsSync(join(folder, "test.json")), false);
    if (process.platform !== "win32") assert.equal(existsSync(socket), false);
  });

  it("tells every client that it stops when one asks for it", async () => {
    const first = await client();
    const second = await client();
    await first.initialized;
    await second.initialized;
    const told = new Promise((resolve) => second.rpc.onNotification("status", resolve));
    await first.rpc.sendRequest("shutdown", {});
    assert.deepEqual(await told, { state: "stopped" });
    await ended;
  });
});

class Client {
  readonly closed: Promise<void>;
  readonly socket: Socket;
  readonly rpc: MessageConnection;

  static async open(path: string): Promise<Client> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new Client(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    this.rpc = createMessageConnection(
      new SocketMessageReader(socket),
      new SocketMessageWriter(socket),
    );
    this.rpc.listen();
  }
}

function fakeApi(ask: EngineApi["ask"]): EngineApi {
  const unused = () => Promise.reject(new Error("not part of this test"));
  return {
    ask,
    summarize: unused,
    generate: unused,
    read: unused,
    search: unused,
    ingest: unused,
    savedCaches: unused,
    cacheMap: unused,
    fidelity: unused,
    models: async () => ({ models: [] }),
    snapshot: async () => snapshot,
  };
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}
