// Windows around a real engine process: who starts it, who shares it, what a crash leaves. The process runs the real
// socket server with scripted answers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { StoppedError } from "../../src/extension/engineClient.ts";
import { launchEngine } from "../../src/extension/engineLaunch.ts";
import { EngineProcess, isEngineLost } from "../../src/extension/engineProcess.ts";
import { takeLock } from "../../src/extension/launchLock.ts";
import type { EngineStatus } from "../../src/protocol.ts";

describe("engine process", () => {
  let home: string;
  let engine: string;
  const windows: EngineProcess[] = [];

  before(async () => {
    home = mkdtempSync(join(tmpdir(), "lectern-engine-"));
    engine = join(home, "engine.mjs");
    await build({
      entryPoints: ["test/extension/support/scriptedEngine.ts"],
      outfile: engine,
      bundle: true,
      platform: "node",
      format: "esm",
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
      },
    });
  });

  afterEach(() => {
    for (const window of windows.splice(0)) window.dispose();
  });

  after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

  let numFolders = 0;
  function newFolder(): string {
    return join(home, `run${numFolders++}`);
  }

  function open(runtimeFolder: string, env: NodeJS.ProcessEnv = {}) {
    const statuses: EngineStatus[] = [];
    const log: string[] = [];
    const gaveUp: string[] = [];
    const window = new EngineProcess({
      launch: (listener) =>
        launchEngine({
          node: async () => process.execPath,
          engine,
          runtimeFolder,
          name: "test",
          env: { ...process.env, ...env },
          client: "test",
          listener,
        }),
      onStatus: (status) => statuses.push(status),
      onLog: (_, message) => log.push(message),
      onGaveUp: (message) => gaveUp.push(message),
    });
    windows.push(window);
    const ask = (question: string, token = (_: string) => {}, signal?: AbortSignal) =>
      window.request("ask", { paths: ["."], question }, { token }, signal);
    const pid = async () => (await window.request("snapshot", {})).pid;
    return { window, statuses, log, gaveUp, ask, pid };
  }

  it("starts nothing before the first question, then answers", async () => {
    const { statuses, ask } = open(newFolder());
    assert.deepEqual(statuses, []);
    const { answer } = await ask("hello");
    assert.equal(answer, "All words.");
    assert.deepEqual(statuses[0], { state: "starting" });
    assert.deepEqual(statuses.at(-1), { state: "idle" });
  });

  it("is one for all windows, even when they start at the same moment", async () => {
    const folder = newFolder();
    const pids = await Promise.all([1, 2, 3, 4].map(() => open(folder).pid()));
    assert.equal(new Set(pids).size, 1);
  });

  it("goes on for the other window when the one that started it closes", async () => {
    const folder = newFolder();
    const first = open(folder);
    const pid = await first.pid();
    const second = open(folder);
    await second.pid();
    first.window.dispose();
    assert.equal(await second.pid(), pid);
    await second.ask("hello");
  });

  it("ends after its last window", async () => {
    const { window, pid } = open(newFolder(), { SCRIPTED_ENGINE_IDLE_MS: "50" });
    const process = await pid();
    window.dispose();
    await until(() => !isAlive(process));
  });

  it("leaves what was streamed when it crashes, starts again by itself and answers", async () => {
    const { window, ask, pid, statuses } = open(newFolder());
    const before = await pid();
    const tokens: string[] = [];
    await assert.rejects(
      ask("crash", (text) => tokens.push(text)),
      isEngineLost,
    );
    assert.match(tokens.join(""), /^word0 /);
    await until(() => window.status.state === "idle"); // no question was needed for that
    assert.notEqual(await pid(), before);
    assert.equal((await ask("hello")).answer, "All words.");
    assert.ok(statuses.every(({ state }) => state !== "failed"));
  });

  it("is not started a fifth time within three minutes, and says so once", async () => {
    const { window, ask, gaveUp } = open(newFolder());
    for (let crash = 0; crash < 5; crash++) {
      await assert.rejects(ask("crash"), isEngineLost);
    }
    await until(() => gaveUp.length > 0);
    assert.equal(gaveUp.length, 1);
    assert.equal(window.status.state, "failed");
    await assert.rejects(ask("hello"), /five times.*Restart Engine/);
    await window.restart();
    assert.equal((await ask("hello")).answer, "All words.");
  });

  it("stops an answer when asked to", async () => {
    const { ask } = open(newFolder());
    const stop = new AbortController();
    const tokens: string[] = [];
    const answer = ask(
      "slow",
      (text) => {
        tokens.push(text);
        stop.abort();
      },
      stop.signal,
    );
    await assert.rejects(answer, StoppedError);
    assert.ok(tokens.length > 0);
  });

  it("passes on the engine's own words when it refuses or cannot start", async () => {
    await assert.rejects(open(newFolder()).ask("refuse"), /folder is empty: choose another/);
    const broken = open(newFolder(), { SCRIPTED_ENGINE: "fails" });
    await assert.rejects(broken.ask("hello"), /status 1.*install a Vulkan driver/);
    assert.ok(broken.log.some((line) => line.includes("install a Vulkan driver")));
    assert.equal(broken.window.status.state, "failed");
  });

  it("restarts for all windows, which is no crash to any of them", async () => {
    const folder = newFolder();
    const first = open(folder);
    const second = open(folder);
    const before = await first.pid();
    await second.pid();
    await first.window.restart();
    const after = await first.pid();
    assert.notEqual(after, before);
    assert.equal(await second.pid(), after);
    assert.deepEqual(second.gaveUp, []);
    assert.ok(second.statuses.some(({ state }) => state === "stopped"));
  });
});

describe("launch lock", () => {
  it("is held by one at a time and taken over from the dead", () => {
    const folder = mkdtempSync(join(tmpdir(), "lectern-lock-"));
    const path = join(folder, "engine.lock");
    const release = takeLock(path);
    assert.ok(release);
    assert.equal(takeLock(path), undefined);
    release();
    // The process has ended when its number arrives.
    const dead = execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" });
    writeFileSync(path, dead.trim());
    assert.ok(takeLock(path));
    rmSync(folder, { recursive: true, force: true });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}
