// The folder of saved caches: found by what they hold, the least recently used removed beyond a size. Processes share it:
// files appear whole by renaming, and a file that another process removed is a miss.

import { createHash } from "node:crypto";
import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { DiskLookups } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import {
  codeOf,
  isForbidden,
  isSystemError,
  requireWritable,
  writeRemedy,
} from "../systemProblem.ts";
import type { CacheIdentity } from "./cacheKeeper.ts";
import { DiskUse } from "./diskUse.ts";
import { DamagedError, type WriteOptions, writeSectionFile } from "./sectionFile.ts";
import type { CacheState } from "./snapshot.ts";
import { encodeSnapshot, type Snapshot, type SnapshotFacts, SnapshotFile } from "./snapshotFile.ts";
import { BLOCK_TOKENS, blockHashes, sharedBlockTokens } from "./tokenBlocks.ts";

const ENDING = ".kv";
export const DEFAULT_LIMIT_BYTES = 20e9;
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
  readonly tokens: ArrayLike<number>;
  /** A part of a saved cache serves too: what its first blocks of tokens made does not depend on those behind them. */
  readonly sharesBlocks?: boolean;
}

/** A saved cache that begins as asked. Its rows are checked as they are read. */
export interface FoundSnapshot {
  readonly file: SnapshotFile;
  /** All that is saved. */
  readonly state: CacheState;
  /** Tokens of the request that it holds: all that is saved, or a multiple of the block length. */
  readonly tokens: number;
}

export class SnapshotStore {
  readonly folder: string;
  readonly limitBytes: number;
  readonly #use: DiskUse;

  constructor(folder: string = defaultCacheFolder(), limitBytes = DEFAULT_LIMIT_BYTES) {
    this.folder = folder;
    this.limitBytes = limitBytes;
    this.#use = new DiskUse(folder);
  }

  /** Where a cache of exactly these tokens and settings is saved. */
  pathOf({ identity, tokens }: Pick<SnapshotKey, "identity" | "tokens">): string {
    const hash = createHash("sha256").update(new Uint8Array(Uint32Array.from(tokens).buffer));
    return join(this.folder, `${digestOf(identity)}-${hash.digest("hex")}${ENDING}`);
  }

  /**
   * Hand the saved cache that holds most of a request's beginning to `use`, then close it; where `use` finds it damaged, or
   * wants none of it, the next best. Returns what `use` gave, undefined where there is none left.
   */
  async withLongest<T>(
    key: SnapshotKey,
    use: (found: FoundSnapshot) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const refused = new Set<string>();
    for (;;) {
      const found = await this.#longest(key, refused);
      const result = found && (await usedBy(found, use));
      if (found && result === undefined) {
        refused.add(found.file.path);
        continue;
      }
      await this.#use.count({ requested: key.tokens.length, restored: found?.tokens ?? 0 });
      // Only says when it was used last: a folder that cannot be written does not matter.
      const now = new Date();
      if (found) await utimes(found.file.path, now, now).catch(() => undefined);
      return result;
    }
  }

  /** The file that exactly this is saved in, if any. */
  async locate(key: SnapshotKey): Promise<{ path: string; bytes: number } | undefined> {
    const path = this.pathOf(key);
    const found = await stat(path).catch(() => undefined);
    return found && { path, bytes: found.size };
  }

  /**
   * Save a snapshot, and remove the least recently used ones beyond the limit.
   * @throws UserError when it cannot be written; what was saved before stays
   */
  async save(
    snapshot: Snapshot & { readonly bytes: number },
    options: WriteOptions = {},
  ): Promise<{ path: string; bytes: number }> {
    const path = this.pathOf({ identity: snapshot.facts.identity, tokens: snapshot.state.tokens });
    if (snapshot.bytes > this.limitBytes) {
      throw new UserError(
        `The cache takes ${gigabytes(snapshot.bytes)}, more than the ${gigabytes(this.limitBytes)} that saved caches may take together: give a smaller --cache-budget.`,
      );
    }
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const bytes = await writeSectionFile(path, encodeSnapshot(snapshot), options);
      await this.#removeBeyondLimit(path);
      return { path, bytes };
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new UserError(
        `The cache cannot be saved in ${this.folder} (${error.message}): ${writeRemedy(error)} or choose another --cache-dir.`,
      );
    }
  }

  /**
   * Before a text is read in vain. A folder that cannot be written may still hold what is asked for.
   * @throws UserError where nothing is saved here and nothing may be
   */
  async requireUse(): Promise<void> {
    const saved = await this.#files(ENDING);
    if (saved.length === 0) await requireWritable(this.folder);
  }

  /**
   * The saved caches, the last used first; files that are none are left out.
   * @throws UserError where the folder may not be read
   */
  async list(): Promise<SavedCache[]> {
    await readdir(this.folder).catch((error: unknown) => {
      if (!isForbidden(error)) return;
      throw new UserError(
        `${this.folder} may not be read by this user (${codeOf(error)}): check its permissions.`,
      );
    });
    const saved: SavedCache[] = [];
    for (const { path, bytes, usedMs } of await this.#files(ENDING)) {
      const file = await SnapshotFile.open(path);
      if (!file) continue;
      saved.push({ ...file.facts, path, bytes, lastUsed: new Date(usedMs).toISOString() });
      await file.close();
    }
    return saved.sort((a, b) => b.lastUsed.localeCompare(a.lastUsed));
  }

  /** How often what was asked for was found here. */
  lookups(): Promise<DiskLookups> {
    return this.#use.counts();
  }

  async #longest(
    key: SnapshotKey,
    refused: ReadonlySet<string>,
  ): Promise<FoundSnapshot | undefined> {
    const exact = this.pathOf(key);
    const sameSettings = join(this.folder, digestOf(key.identity));
    const others = (await this.#files(ENDING)).filter(
      ({ path }) => path !== exact && path.startsWith(sameSettings),
    );
    const wanted = { ...key, blocks: blockHashes(key.tokens) };
    let best: FoundSnapshot | undefined;
    for (const path of [exact, ...others.map(({ path }) => path)]) {
      if (refused.has(path)) continue;
      const found = await match(path, wanted, best?.tokens ?? 0);
      if (!found) continue;
      await best?.file.close();
      best = found;
      if (found.tokens === key.tokens.length) break;
    }
    return best;
  }

  async #removeBeyondLimit(justSaved: string): Promise<void> {
    for (const { path, usedMs } of await this.#files(".part"))
      if (Date.now() - usedMs > ABANDONED_MS) await rm(path, { force: true });
    const files = await this.#files(ENDING);
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of files.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= this.limitBytes) break;
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

async function usedBy<T>(
  found: FoundSnapshot,
  use: (found: FoundSnapshot) => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await use(found);
  } catch (error) {
    if (error instanceof DamagedError) return undefined;
    throw error;
  } finally {
    await found.file.close();
  }
}

/** The file at `path`, where it holds more than `atLeast` tokens of the request's beginning. The caller closes it. */
async function match(
  path: string,
  { identity, tokens, sharesBlocks, blocks }: SnapshotKey & { blocks: Uint8Array },
  atLeast: number,
): Promise<FoundSnapshot | undefined> {
  const file = await SnapshotFile.open(path);
  if (!file) return undefined;
  let found: FoundSnapshot | undefined;
  try {
    const { tokensRead } = file.facts;
    if (canonical(file.facts.identity) !== canonical(identity)) return undefined;
    // Hashes rule out most files without reading their tokens.
    const shared = sharedBlockTokens(blocks, await file.blocks());
    const mayBeWhole = tokensRead <= tokens.length && tokensRead - shared < BLOCK_TOKENS;
    if (!mayBeWhole && !(sharesBlocks && shared > atLeast)) return undefined;
    const state = await file.state();
    const alike = sharedLength(state.tokens, tokens);
    const isWhole = alike === state.tokens.length;
    const usable = isWhole ? alike : sharesBlocks ? Math.min(shared, alike) : 0;
    if (usable > atLeast) found = { file, state, tokens: usable };
    return found;
  } catch (error) {
    if (error instanceof DamagedError) return undefined;
    throw error;
  } finally {
    if (!found) await file.close();
  }
}

function sharedLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
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

function digestOf(identity: CacheIdentity): string {
  return createHash("sha256").update(canonical(identity)).digest("hex").slice(0, 16);
}

function canonical(identity: CacheIdentity): string {
  return JSON.stringify(Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
