// Windows around a real engine process: who starts it, who shares it, what a crash leaves. The process runs the real
// socket server with scripted answers.

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { endEngine } from "../../src/extension/endEngine.ts";
import {
  EngineLostError,
  StoppedError,
  UnresponsiveError,
} from "../../src/extension/engineClient.ts";
import { launchEngine } from "../../src/extension/engineLaunch.ts";
import { EngineProcess } from "../../src/extension/engineProcess.ts";
import { takeLock } from "../../src/extension/launchLock.ts";
import { type EngineStatus, PROTOCOL_VERSION } from "../../src/protocol.ts";
import { skip } from "../support/skip.ts";

describe("engine process", () => {
  let home: string;
  let engine: string;
  const windows: EngineProcess[] = [];
  /** Engines that were stopped by a signal; one that lives yet must not outlive its test. */
  const hanging: number[] = [];

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
    for (const pid of hanging.splice(0)) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });

  after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

  /** Let the engine be as one whose event loop never turns again. */
  function hang(pid: number): void {
    hanging.push(pid);
    process.kill(pid, "SIGSTOP");
  }

  let numFolders = 0;
  function newFolder(): string {
    return join(home, `run${numFolders++}`);
  }

  function open(runtimeFolder: string, env: NodeJS.ProcessEnv = {}, attachMs?: number) {
    const statuses: EngineStatus[] = [];
    const log: string[] = [];
    const gaveUp: string[] = [];
    const at = { runtimeFolder, name: "test", client: "test" };
    const window = new EngineProcess({
      check: () => {},
      launch: (listener, signal) =>
        launchEngine({
          ...at,
          node: async () => process.execPath,
          engine,
          env: { ...process.env, ...env },
          listener,
          signal,
          ...(attachMs !== undefined && { attachMs }),
        }),
      end: () => endEngine(at),
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
      EngineLostError,
    );
    assert.match(tokens.join(""), /^word0 /);
    await until(() => window.status.state === "idle"); // no question was needed for that
    assert.notEqual(await pid(), before);
    assert.equal((await ask("hello")).answer, "All words.");
    assert.ok(statuses.every(({ state }) => state !== "failed"));
  });

  it("is not started a fifth time within three minutes, and says so once", async () => {
    const { window, ask, gaveUp } = open(newFolder());
    const startsAgain: boolean[] = [];
    for (let crash = 0; crash < 5; crash++) {
      await assert.rejects(ask("crash"), (error) => {
        assert.ok(error instanceof EngineLostError);
        return startsAgain.push(error.startsAgain) > crash;
      });
    }
    assert.deepEqual(startsAgain, [true, true, true, true, false]);
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

  it("is waited for while it is busy for a moment", async () => {
    const folder = newFolder();
    const first = open(folder);
    const pid = await first.pid();
    const busy = first.ask("busy");
    assert.equal(await open(folder).pid(), pid);
    await busy;
  });

  it("loses what it answers when it is restarted", async () => {
    const { window, ask } = open(newFolder());
    const restarted: Promise<void>[] = [];
    const answer = ask("slow", () => {
      if (restarted.length === 0) restarted.push(window.restart());
    });
    await assert.rejects(answer, (error) => error instanceof EngineLostError && error.startsAgain);
    await restarted[0];
  });

  describe("that hangs", () => {
    before(function () {
      if (process.platform === "win32") skip(this, "needs SIGSTOP");
    });

    it("does not keep a stopped answer waiting, says what is wrong, and is replaced when asked to", async () => {
      const folder = newFolder();
      const first = open(folder);
      const second = open(folder);
      const before = await first.pid();
      await second.pid();
      const stop = new AbortController();
      const answer = first.ask("slow", () => stop.abort(hang(before)), stop.signal);
      await assert.rejects(answer, StoppedError);
      await until(() => first.gaveUp.length > 0);
      assert.match(first.gaveUp.join(""), new RegExp(`process ${before}.*Restart Engine`));
      assert.equal(first.window.status.state, "failed");
      await first.window.restart();
      assert.notEqual(await first.pid(), before);
      assert.equal(isAlive(before), false);
      assert.equal((await first.ask("hello")).answer, "All words.");
      await until(() => second.window.status.state === "idle");
      assert.equal(await second.pid(), await first.pid());
    });

    it("is not ended by a window that finds it hanging: that window says what helps", async () => {
      const folder = newFolder();
      const first = open(folder);
      const pid = await first.pid();
      hang(pid);
      const second = open(folder, {}, 300);
      await assert.rejects(
        second.ask("hello"),
        (error) => error instanceof UnresponsiveError && /Restart Engine/.test(error.message),
      );
      assert.equal(second.window.status.state, "failed");
      process.kill(pid, "SIGCONT");
      assert.equal((await first.ask("hello")).answer, "All words.");
      assert.equal(await second.pid(), pid);
    });

    it("is stopped or restarted while it is being waited for", async () => {
      const folder = newFolder();
      const pid = await open(folder).pid();
      hang(pid);
      const { window, ask } = open(folder);
      const stop = new AbortController();
      const stopped = ask("hello", undefined, stop.signal);
      const waiting = ask("hello");
      stop.abort();
      await assert.rejects(stopped, StoppedError);
      await window.restart();
      assert.equal(isAlive(pid), false);
      assert.equal((await waiting).answer, "All words.");
    });
  });

  it("passes on the engine's own words when it refuses or cannot start", async () => {
    await assert.rejects(open(newFolder()).ask("refuse"), /folder is empty: choose another/);
    const broken = open(newFolder(), { SCRIPTED_ENGINE: "fails" });
    await assert.rejects(broken.ask("hello"), /status 1.*install a Vulkan driver/);
    assert.ok(broken.log.some((line) => line.includes("install a Vulkan driver")));
    assert.equal(broken.window.status.state, "failed");
  });

  it("has not failed where nothing may run", async () => {
    const statuses: EngineStatus[] = [];
    const untrusted = new Error("Not here.");
    const window = new EngineProcess({
      check: () => {
        throw untrusted;
      },
      launch: () => assert.fail("launched"),
      end: () => assert.fail("ended"),
      onStatus: (status) => statuses.push(status),
      onLog: () => {},
      onGaveUp: () => {},
    });
    await assert.rejects(window.request("snapshot", {}), untrusted);
    await assert.rejects(window.restart(), untrusted);
    assert.deepEqual(statuses, []);
    assert.equal(window.status.state, "stopped");
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

describe("ending an engine", () => {
  let runtimeFolder: string;
  let other: ChildProcess;

  before(function () {
    if (process.platform === "win32") skip(this, "needs command lines and Unix sockets");
  });

  beforeEach(() => {
    runtimeFolder = mkdtempSync(join(tmpdir(), "lectern-end-"));
    other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"]);
  });

  afterEach(() => {
    other.kill("SIGKILL");
    rmSync(runtimeFolder, { recursive: true, force: true });
  });

  function end(socket: string): Promise<void> {
    const record = { pid: other.pid, socket, token: "", protocolVersion: PROTOCOL_VERSION };
    writeFileSync(join(runtimeFolder, "test.json"), JSON.stringify(record), { mode: 0o600 });
    return endEngine({ runtimeFolder, name: "test", client: "test" });
  }

  it("leaves alone the process that has got the number of an engine long gone", async () => {
    await end(join(runtimeFolder, "gone.sock"));
    assert.equal(other.signalCode, null);
  });

  it("says so when what does not answer is not the recorded process", async () => {
    const socket = join(runtimeFolder, "silent.sock");
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(socket, resolve));
    await assert.rejects(end(socket), /does not answer.*end it by hand/);
    assert.equal(other.signalCode, null);
    silent.close();
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
