// A program of Lectern's own in a process of its own, for what may run for ever or fill the memory: V8 aborts a whole process for an
// allocation that is too large, worker threads included.

import { type ChildProcess, fork } from "node:child_process";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "./resources.ts";

/**
 * Start the program whose source is at `source`, an entry of scripts/build.mjs under its own name, with at most `memoryMb` of
 * JavaScript's memory. It talks by messages that are cloned, binary data included.
 */
export function startProgram(source: URL, memoryMb: number): ChildProcess {
  const isBundled = !import.meta.url.endsWith(".ts");
  const path = fileURLToPath(source);
  const script = isBundled ? join(packageRoot(), "dist", `${basename(path, ".ts")}.mjs`) : path;
  return fork(script, {
    // In a checkout the loader that runs TypeScript came as an argument of this process.
    execArgv: [
      ...(isBundled ? [] : process.execArgv),
      `--max-old-space-size=${memoryMb}`,
      "--no-deprecation",
    ],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
}
