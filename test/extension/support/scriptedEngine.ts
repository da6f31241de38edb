// An engine for tests of what happens around the real one: it serves the real socket server, with an API that does what
// the question says: "crash" kills the process mid-answer, "slow" streams until it is stopped, "busy" keeps the event
// loop for a moment.

import { StoppedError, UserError } from "../../../src/engine/errors.ts";
import { EngineServer } from "../../../src/engine/server.ts";
import type { Answer, EngineApi, EngineSnapshot, Observer } from "../../../src/protocol.ts";

const [, , , runtimeFolder = "", , name = ""] = process.argv;
/** What loading a model may take of the event loop. */
const BUSY_MS = 1500;
const coverage = {
  tokensTotal: 10,
  tokensSearched: 10,
  tokensInCache: 0,
  tokensReread: 10,
  skipped: [],
};

async function ask(question: string, observer: Observer, signal: AbortSignal): Promise<Answer> {
  if (question === "refuse") throw new UserError("The folder is empty: choose another.");
  if (question === "busy") for (const end = Date.now() + BUSY_MS; Date.now() < end; );
  const words = question === "slow" ? 10_000 : 5;
  for (let word = 0; word < words; word++) {
    observer.token?.(`word${word} `);
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (signal.aborted) throw new StoppedError();
    if (question === "crash" && word === 3) process.kill(process.pid, "SIGKILL");
  }
  return { found: true, answer: "All words.", citations: [], coverage };
}

const unused = () => Promise.reject(new UserError("The scripted engine only answers questions."));
const api: EngineApi = {
  ask: ({ question }, observer, signal) => ask(question, observer, signal),
  summarize: unused,
  generate: unused,
  read: unused,
  search: unused,
  ingest: unused,
  savedCaches: unused,
  cacheMap: unused,
  fidelity: unused,
  models: async () => ({ models: [] }),
  snapshot: async (): Promise<EngineSnapshot> => ({
    status: { state: "idle" },
    node: { executable: process.execPath, version: process.version },
    pid: process.pid,
    uptimeMs: process.uptime() * 1000,
    hostBytes: process.memoryUsage.rss(),
    gpuBytes: {},
    clients: 0,
  }),
};

if (process.env.SCRIPTED_ENGINE === "fails") {
  process.stderr.write("No adapter at all: install a Vulkan driver.\n");
  process.exit(1);
}
await EngineServer.listen({
  api,
  runtimeFolder,
  name,
  idleMs: Number(process.env.SCRIPTED_ENGINE_IDLE_MS ?? 1000),
  onEnd: () => process.exit(0),
});
