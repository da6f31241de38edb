// Runs the built command line as a user does: a process of its own, its output and exit status looked at.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "./testData.ts";

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  /** Run as this user, which only root may. */
  readonly uid?: number;
  /** Called with the process, to watch it and send it signals. */
  readonly onStart?: (process: ChildProcess) => void;
}

/** Build dist/ if sources changed. Call it in a before hook. */
export function buildCli(): void {
  const build = spawnSync(process.execPath, ["scripts/build.mjs", "node"], {
    cwd: repositoryRoot,
    encoding: "utf8",
  });
  if (build.status !== 0) throw new Error(`the build failed: ${build.stderr}`);
}

/** `lectern ARGS…` */
export async function lectern(
  args: readonly string[],
  { env = {}, input = "", cwd = repositoryRoot, uid, onStart }: CliOptions = {},
): Promise<CliResult> {
  const folder = mkdtempSync(join(tmpdir(), "lectern-run-"));
  try {
    // A file, as a shell would have: Node's own pipes to children are sockets, which cannot be redirected.
    const errors = join(folder, "stderr");
    const descriptor = openSync(errors, "a");
    const child = spawn(process.execPath, [join(repositoryRoot, "dist/cli.mjs"), ...args], {
      cwd,
      ...(uid !== undefined && { uid }),
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", descriptor],
    });
    closeSync(descriptor);
    onStart?.(child);
    let stdout = "";
    child.stdout?.on("data", (chunk) => {
      stdout += String(chunk);
    });
    child.stdin?.end(input);
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    return { status, stdout, stderr: readFileSync(errors, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
