// The folder of saved caches: found by what they hold, the least recently used removed beyond a size. Processes share it:
// files appear whole by renaming, and a file that another process removed is a miss.

import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { CacheIdentity } from "./cacheKeeper.ts";
import type { CacheState } from "./snapshot.ts";
import {
  readSnapshot,
  readSnapshotFacts,
  type SnapshotFacts,
  type WriteOptions,
  writeSnapshot,
} from "./snapshotFile.ts";

const ENDING = ".kv";
const DEFAULT_LIMIT_BYTES = 20e9;
/** A file half written for longer was left by a process that was killed. */
const ABANDONED_MS = 24 * 3600_000;

export interface SavedCache extends SnapshotFacts {
  readonly path: string;
  readonly bytes: number;
  /** ISO 8601. */
  readonly lastUsed: string;
}

export interface SnapshotKey {
  /** Model, prompt format and cache settings. */
  readonly identity: CacheIdentity;
  readonly tokens: readonly number[];
}

export class SnapshotStore {
  readonly folder: string;
  readonly #limitBytes: number;

  constructor(folder: string = defaultCacheFolder(), limitBytes = DEFAULT_LIMIT_BYTES) {
    this.folder = folder;
    this.#limitBytes = limitBytes;
  }

  /** Where a cache of exactly these tokens and settings is saved. */
  pathOf({ identity, tokens }: SnapshotKey): string {
    const hash = createHash("sha256").update(canonical(identity));
    hash.update(new Uint8Array(Uint32Array.from(tokens).buffer));
    return join(this.folder, hash.digest("hex") + ENDING);
  }

  /** The saved state of exactly these tokens and settings; undefined on any doubt. */
  async find(
    key: SnapshotKey,
  ): Promise<{ path: string; bytes: number; state: CacheState } | undefined> {
    const path = this.pathOf(key);
    const saved = await readSnapshot(path);
    if (!saved || canonical(saved.facts.identity) !== canonical(key.identity)) return undefined;
    const { tokens } = saved.state;
    const isSame =
      tokens.length === key.tokens.length && tokens.every((token, i) => token === key.tokens[i]);
    if (!isSame) return undefined;
    const now = new Date();
    // Only says when it was used last: a folder that cannot be written does not matter.
    await utimes(path, now, now).catch(() => undefined);
    return { path, bytes: saved.bytes, state: saved.state };
  }

  /**
   * Save a state, and remove the least recently used ones beyond the limit.
   * @throws UserError when it cannot be written; what was saved before stays
   */
  async save(
    snapshot: { facts: SnapshotFacts; state: CacheState },
    options: WriteOptions = {},
  ): Promise<{ path: string; bytes: number }> {
    const path = this.pathOf({ identity: snapshot.facts.identity, tokens: snapshot.state.tokens });
    const needed = snapshot.state.parts.reduce((sum, part) => sum + part.length, 0);
    if (needed > this.#limitBytes) {
      throw new UserError(
        `The cache takes ${gigabytes(needed)}, more than the ${gigabytes(this.#limitBytes)} that saved caches may take together: give a smaller --cache-budget.`,
      );
    }
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const bytes = await writeSnapshot(path, snapshot, options);
      await this.#removeBeyondLimit(path);
      return { path, bytes };
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      throw new UserError(
        `The cache cannot be saved in ${this.folder} (${error.message}): free some space or choose another --cache-dir.`,
      );
    }
  }

  /** The saved caches, the last used first; files that are none are left out. */
  async list(): Promise<SavedCache[]> {
    const saved: SavedCache[] = [];
    for (const { path, bytes, usedMs } of await this.#files(ENDING)) {
      const facts = await readSnapshotFacts(path);
      if (facts) saved.push({ ...facts, path, bytes, lastUsed: new Date(usedMs).toISOString() });
    }
    return saved.sort((a, b) => b.lastUsed.localeCompare(a.lastUsed));
  }

  async #removeBeyondLimit(justSaved: string): Promise<void> {
    for (const { path, usedMs } of await this.#files(".part"))
      if (Date.now() - usedMs > ABANDONED_MS) await rm(path, { force: true });
    const files = await this.#files(ENDING);
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= this.#limitBytes) break;
      if (path === justSaved) continue;
      // Another process may be removing or (on Windows) reading it.
      await rm(path, { force: true }).catch(() => undefined);
      total -= bytes;
    }
  }

  async #files(ending: string): Promise<{ path: string; bytes: number; usedMs: number }[]> {
    const names = await readdir(this.folder).catch(() => []);
    const files = [];
    for (const name of names) {
      if (!name.endsWith(ending)) continue;
      const path = join(this.folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile()) files.push({ path, bytes: found.size, usedMs: found.mtimeMs });
    }
    return files;
  }
}

/** Where a user's caches are saved unless a setting says otherwise. */
export function defaultCacheFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const home = homedir();
  const { XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  if (platform === "win32")
    return join(LOCALAPPDATA || join(home, "AppData", "Local"), "lectern", "caches");
  if (platform === "darwin") return join(home, "Library", "Caches", "lectern", "caches");
  return join(XDG_CACHE_HOME || join(home, ".cache"), "lectern", "caches");
}

function canonical(identity: CacheIdentity): string {
  return JSON.stringify(Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
