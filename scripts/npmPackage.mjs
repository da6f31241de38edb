// Fetches a pinned npm package into a per-user cache and unpacks it, without installing it anywhere.
// npm checks the registry's integrity hash while packing; a folder appears only once it is complete.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where downloads that outlive a checkout are kept: `$XDG_CACHE_HOME/lectern`. */
export function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lectern");
}

/**
 * Folder of npm package `name` at `version`, downloaded on first use.
 * @param {string} name
 * @param {string} version
 */
export function npmPackage(name, version) {
  const folder = join(cacheFolder(), `${name}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cacheFolder(), { recursive: true });
  const work = mkdtempSync(join(cacheFolder(), "download-"));
  try {
    console.error(`Fetching ${name} ${version} from npm.`);
    execFileSync("npm", ["pack", `${name}@${version}`, "--silent", "--pack-destination", work], {
      cwd: work,
      stdio: ["ignore", "ignore", "inherit"],
      shell: process.platform === "win32",
    });
    const archive = readdirSync(work).find((file) => file.endsWith(".tgz"));
    if (!archive) throw new Error(`npm packed no archive for ${name}@${version}.`);
    execFileSync("tar", ["-xzf", archive], { cwd: work });
    renameSync(join(work, "package"), folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
