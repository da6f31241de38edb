// Attaches to the user's running engine, or starts it: whichever window comes first starts it under a lock, the others
// wait for its record to appear.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type EngineRecord, type EngineSnapshot, ERROR_CODES } from "../protocol.ts";
import { EngineClient, type EngineListener } from "./engineClient.ts";
import { engineEnvironment } from "./engineEnvironment.ts";
import { takeLock } from "./launchLock.ts";

const START_MS = 30_000;
const POLL_MS = 25;

export interface LaunchOptions {
  /** The Node to run, found only when the engine has to be started. */
  readonly node: () => Promise<string>;
  /** Path of the engine's bundle. */
  readonly engine: string;
  readonly runtimeFolder: string;
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  /** What this window calls itself in the engine's log. */
  readonly client: string;
  readonly listener: EngineListener;
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
    await pause();
  }
  throw new Error(`The engine did not start within ${START_MS / 1000} s: see the log.`);
}

/** Undefined when no engine answers. An engine that refuses this window is an error: another would not help. */
async function attach(options: LaunchOptions): Promise<Launched | undefined> {
  const record = readRecord(join(options.runtimeFolder, `${options.name}.json`));
  if (!record) return undefined;
  try {
    return await EngineClient.connect(record, options.client, options.listener);
  } catch (error) {
    if (isRefusal(error)) throw error;
    return undefined;
  }
}

async function start(options: LaunchOptions, deadline: number): Promise<Launched> {
  const node = await options.node();
  const { engine, runtimeFolder, name, listener } = options;
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
  while (Date.now() < deadline) {
    const launched = await attach(options);
    if (launched) return launched;
    if (failure.message !== undefined) throw new Error(failure.message);
    await pause();
  }
  child.kill();
  throw new Error(`The engine did not start within ${START_MS / 1000} s: see the log.`);
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
    setTimeout(() => {
      failure.message ??= `The engine ended with ${how}. ${lines.at(-1) ?? ""}`.trim();
    }, 50);
  });
  return failure;
}

/** The record, if its owner alone could have written it. */
function readRecord(path: string): EngineRecord | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined; // no engine has published here
  }
  try {
    const status = fstatSync(file);
    const isMine =
      process.platform === "win32" ||
      (status.uid === process.getuid?.() && (status.mode & 0o077) === 0);
    if (!isMine) throw new Error(`${path} can be written by others: remove it.`);
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    closeSync(file);
  }
}

function isRefusal(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === ERROR_CODES.protocolVersion;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
