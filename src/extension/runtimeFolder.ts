// Where windows of one user meet the engine: a folder that only the user may enter, on a disk of this machine.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/** A Unix socket's address holds 104 bytes on macOS, 108 on Linux; its file name takes up to 45. */
const MAX_FOLDER_BYTES = 58;

/** The runtime folder of this user; the engine creates it. */
export function runtimeFolder(env: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") {
    return join(env.LOCALAPPDATA ?? tmpdir(), "Lectern", "run");
  }
  const runtime = env.XDG_RUNTIME_DIR;
  const mine = `lectern-${userInfo().uid}`;
  const candidates = [
    ...(runtime && existsSync(runtime) ? [join(runtime, "lectern")] : []),
    join(tmpdir(), mine),
  ];
  return (
    candidates.find((folder) => Buffer.byteLength(folder) <= MAX_FOLDER_BYTES) ?? join("/tmp", mine)
  );
}

/** Windows share an engine only with the same version of the same installed extension. */
export function engineName(extensionPath: string, version: string): string {
  const hash = createHash("sha256").update(`${extensionPath}\0${version}`).digest("hex");
  return `engine-${hash.slice(0, 8)}`;
}
