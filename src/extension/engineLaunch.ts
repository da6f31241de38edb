// Attaches to the user's running engine, or starts it: whichever window comes first starts it under a lock, the others
// wait for its record to appear.

import { type ChildProcess, spawn } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type EngineSnapshot, ERROR_CODES } from "../protocol.ts";
import { EngineClient, type EngineListener, UnresponsiveError } from "./engineClient.ts";
import { engineEnvironment } from "./engineEnvironment.ts";
import { type EnginePlace, readRecord } from "./engineRecord.ts";
import { takeLock } from "./launchLock.ts";

const START_MS = 30_000;
const POLL_MS = 25;
/**
 * Milliseconds an engine may take to greet a window. Loading a model keeps its event loop busy for a second or two, a few times
 * that on a busy machine; it is other windows' engine, too, so that one which takes longer is reported and not ended.
 */
const ATTACH_MS = 10_000;

export interface LaunchOptions extends EnginePlace {
  /** The Node to run, found only when the engine has to be started. */
  readonly node: () => Promise<string>;
  /** Path of the engine's bundle. */
  readonly engine: string;
  readonly env: NodeJS.ProcessEnv;
  readonly listener: EngineListener;
  /** Gives the launch up; an engine that has not greeted this window yet is ended. */
  readonly signal: AbortSignal;
  /** Instead of ATTACH_MS. */
  readonly attachMs?: number;
}

export interface Launched {
  readonly client: EngineClient;
  readonly snapshot: EngineSnapshot;
}

/** A connection to the engine, started if need be. Throws with the engine's own words when it cannot start. */
export async function launchEngine(options: LaunchOptions): Promise<Launched> {
  const deadline = Date.now() + START_MS;
  const lockPath = join(options.runtimeFolder, `${options.name}.lock`);
  while (Date.now() < deadline) {
    const attached = await attach(options);
    if (attached) return attached;
    const release = takeLock(lockPath);
    if (release) {
      try {
        return (await attach(options)) ?? (await start(options, deadline));
      } finally {
        release();
      }
    }
    await pause(options.signal);
  }
  throw new Error(`The engine did not start within ${START_MS / 1000} s: see the log.`);
}

/** Undefined when no engine answers. An engine that refuses this window, or hangs, is an error: another would not help. */
async function attach(options: LaunchOptions): Promise<Launched | undefined> {
  const record = readRecord(options);
  if (!record) return undefined;
  const { client, listener, attachMs = ATTACH_MS } = options;
  try {
    return await EngineClient.connect(record, client, listener, attachMs);
  } catch (error) {
    if (isRefusal(error) || error instanceof UnresponsiveError) throw error;
    return undefined;
  }
}

async function start(options: LaunchOptions, deadline: number): Promise<Launched> {
  const node = await options.node();
  const { engine, runtimeFolder, name, listener, signal } = options;
  signal.throwIfAborted();
  listener.log("info", `Starting the engine: ${node} ${engine}`);
  const child = spawn(node, [engine, "--runtime-folder", runtimeFolder, "--name", name], {
    cwd: homedir(),
    env: engineEnvironment(options.env),
    stdio: ["ignore", "ignore", "pipe"],
    detached: true, // the engine outlives the window that started it
    windowsHide: true,
  });
  child.unref();
  const failure = watch(child, listener);
  try {
    while (Date.now() < deadline) {
      const launched = await attach(options);
      if (launched) return launched;
      if (failure.message !== undefined) throw new Error(failure.message);
      await pause(signal);
    }
    throw new Error(`The engine did not start within ${START_MS / 1000} s: see the log.`);
  } catch (error) {
    // One that has published itself may be in use by other windows.
    if (!(error instanceof UnresponsiveError)) child.kill("SIGKILL");
    throw error;
  }
}

/** Pass the child's standard error to the log; the result's message is set when the child has ended. */
function watch(child: ChildProcess, listener: EngineListener): { message?: string } {
  const failure: { message?: string } = {};
  const lines: string[] = [];
  if (child.stderr) {
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.splice(0, Math.max(0, lines.length - 20)); // only the last lines can explain an end
      lines.push(line);
      listener.log("warn", line);
    });
  }
  child.on("error", (error) => {
    failure.message = `The engine could not be started: ${error.message}`;
  });
  child.on("exit", (code, signal) => {
    const how = signal ? `signal ${signal}` : `status ${code}`;
    listener.log(code === 0 ? "info" : "error", `The engine ended with ${how}.`);
    // Its last words may still be in the pipe.
    void setTimeout(50).then(() => {
      failure.message ??= `The engine ended with ${how}. ${lines.at(-1) ?? ""}`.trim();
    });
  });
  return failure;
}

function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === ERROR_CODES.protocolVersion;
}

function pause(signal: AbortSignal): Promise<void> {
  return setTimeout(POLL_MS, undefined, { signal });
}
