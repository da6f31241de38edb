// Which Node runs the engine. Never VS Code's Electron: its V8 refuses the memory that Dawn maps into it.

import { execFile } from "node:child_process";
import { accessSync, chmodSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** The engine's floor, as in package.json. */
const MIN_NODE = [20, 19] as const;

export interface NodeSearch {
  /** Value of the setting `lectern.nodePath`; empty when unset. */
  readonly setting: string;
  /** Root of the installed extension. */
  readonly extensionPath: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Path of the Node to run: the setting, the one in the extension, the host's own if it is plain Node, the first on PATH.
 * `LECTERN_NODE=bundled` in the environment leaves out the last two.
 * @throws Error that says what was tried and which setting helps
 */
export async function findNode(search: NodeSearch): Promise<string> {
  if (search.setting !== "") return checked(search.setting);
  const name = process.platform === "win32" ? "node.exe" : "node";
  const bundled = join(search.extensionPath, "bin", name);
  if (existsSync(bundled)) return executable(bundled);
  if (search.env.LECTERN_NODE !== "bundled") {
    if (process.versions.electron === undefined) return process.execPath;
    for (const folder of (search.env.PATH ?? "").split(delimiter)) {
      const candidate = join(folder, name);
      if (folder !== "" && existsSync(candidate)) return checked(candidate);
    }
  }
  throw new Error(
    "No Node.js was found to run the engine: install the Lectern package for this platform, or set lectern.nodePath.",
  );
}

/** A package unpacked by a tool that forgets modes leaves the executable unexecutable. */
function executable(path: string): string {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    chmodSync(path, 0o755);
  }
  return path;
}

async function checked(path: string): Promise<string> {
  const version = await nodeVersion(path);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNewEnough = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  if (isNewEnough) return path;
  throw new Error(
    `${path} is Node ${version}; the engine needs ${MIN_NODE.join(".")} or newer: set lectern.nodePath to one, or leave it empty.`,
  );
}

async function nodeVersion(path: string): Promise<string> {
  try {
    const run = promisify(execFile);
    const { stdout } = await run(path, ["--version"], { timeout: 5000, windowsHide: true });
    return stdout.trim().replace(/^v/, "");
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new Error(`${path} does not run (${reason}): set lectern.nodePath to a Node executable.`);
  }
}
