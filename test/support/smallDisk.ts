// A real disk that is soon full: a file system in memory of a few kilobytes.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { skip } from "./skip.ts";

/** Run `use` with a folder on a disk of `kilobytes`, mounted below `parent`; skips the test where nobody may mount. */
export async function withSmallDisk(
  context: Mocha.Context,
  { parent, kilobytes }: { parent: string; kilobytes: number },
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(parent, "disk-"));
  const options = ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", folder];
  if (process.platform !== "linux" || spawnSync("mount", options).status !== 0)
    skip(context, "a small disk cannot be mounted by this user");
  try {
    await use(folder);
  } finally {
    execFileSync("umount", [folder]);
  }
}
