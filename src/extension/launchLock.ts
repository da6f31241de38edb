// Lets one window at a time start the engine. The lock is a file that holds its owner's process id; a lock whose owner
// is dead, or that is implausibly old, is taken over.

import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { isAlive } from "./runningProcess.ts";

const STALE_MS = 60_000;

/** Take the lock at `path`; undefined when somebody else holds it. The result releases it. */
export function takeLock(path: string): (() => void) | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (isStale(path)) rmSync(path, { force: true });
  try {
    const file = openSync(path, "wx", 0o600);
    writeSync(file, String(process.pid));
    closeSync(file);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return undefined;
    throw error;
  }
  return () => rmSync(path, { force: true });
}

function isStale(path: string): boolean {
  try {
    const age = Date.now() - statSync(path).mtimeMs;
    if (age > STALE_MS) return true;
    const owner = Number(readFileSync(path, "utf8"));
    // An empty file is a lock being written right now.
    return Number.isInteger(owner) && owner > 0 && !isAlive(owner);
  } catch {
    return false; // released in between
  }
}
