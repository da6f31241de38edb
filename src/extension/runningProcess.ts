// What can be told of another process by its number.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** Whether a process has this number, ours or not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** How the process was started, its arguments parted by spaces; "" for one that has ended. Not for Windows. */
export async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === "linux") {
      return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ");
    }
    const { stdout } = await promisify(execFile)("/bin/ps", [
      "-ww",
      "-o",
      "command=",
      "-p",
      `${pid}`,
    ]);
    return stdout;
  } catch {
    return "";
  }
}
