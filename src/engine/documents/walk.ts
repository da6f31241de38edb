// From the paths a user names to the files to read: folders in depth, files before subfolders, globs, .gitignore.
// Nothing is left out silently: every skip goes to the receipt with its reason.

import type { Dirent, Stats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import picomatch from "picomatch";
import type { Skipped } from "../../protocol.ts";
import { throwIfStopped, UserError } from "../errors.ts";
import { IgnoreRules } from "./ignoreRules.ts";
import { fileSkipReason, folderSkipReason } from "./skipRules.ts";

export interface FoundFile {
  /** As the user's path leads to it, with forward slashes. */
  readonly path: string;
  /** Relative to the folder that was named; a named file's own name. */
  readonly label: string;
  readonly absolutePath: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** Named by the user: no rule but being binary leaves it out. */
  readonly isNamed: boolean;
}

export interface WalkOptions {
  /** Base of relative paths. Default: the working directory. */
  readonly cwd?: string;
  /** Absolute paths of documents that exist only in an editor. */
  readonly unsaved?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
  readonly onSkip: (skipped: Skipped) => void;
}

/** Files under `paths`, each once, in the order they are to be read. Throws UserError where a path leads nowhere. */
export async function* walk(
  paths: readonly string[],
  options: WalkOptions,
): AsyncGenerator<FoundFile> {
  const seen = new Set<string>();
  for (const path of paths) {
    for await (const file of walkPath(path, options)) {
      if (seen.has(file.absolutePath)) continue;
      seen.add(file.absolutePath);
      yield file;
    }
  }
}

async function* walkPath(path: string, options: WalkOptions): AsyncGenerator<FoundFile> {
  const absolutePath = resolve(options.cwd ?? ".", path);
  const info = await statOrUndefined(absolutePath);
  const shown = path.split(sep).join("/");
  if (info?.isDirectory()) {
    const rules = await IgnoreRules.above(await realpath(absolutePath));
    yield* walkFolder({ absolutePath, path: shown, label: "", rules }, options);
  } else if (info?.isFile() || options.unsaved?.has(absolutePath)) {
    yield foundFile({ path: shown, label: basename(path), absolutePath }, info, true);
  } else if (info) {
    throw new UserError(`${path} is neither a file nor a folder: name a text file or a folder.`);
  } else if (/[*?[{]/.test(path)) {
    yield* walkGlob(path, options);
  } else {
    throw new UserError(`${path} does not exist: check the path.`);
  }
}

// The folder before the first wildcard is walked under the usual rules, and the pattern picks from it.
async function* walkGlob(pattern: string, options: WalkOptions): AsyncGenerator<FoundFile> {
  const parts = pattern.split(/[\\/]/);
  const firstWild = parts.findIndex((part) => /[*?[{]/.test(part));
  const base = parts.slice(0, firstWild).join("/") || (pattern.startsWith("/") ? "/" : ".");
  const isMatch = picomatch(parts.slice(firstWild).join("/"), { dot: true });
  let isAnyFound = false;
  for await (const file of walkPath(base, {
    ...options,
    onSkip: (skipped) => {
      if (isMatch(relative(base, skipped.path).split(sep).join("/"))) options.onSkip(skipped);
    },
  })) {
    if (!isMatch(file.label)) continue;
    isAnyFound = true;
    yield file;
  }
  if (!isAnyFound) throw new UserError(`No readable file matches ${pattern}: check the pattern.`);
}

interface Folder {
  readonly absolutePath: string;
  readonly path: string;
  readonly label: string;
  readonly rules: IgnoreRules;
}

async function* walkFolder(folder: Folder, options: WalkOptions): AsyncGenerator<FoundFile> {
  throwIfStopped(options.signal);
  const entries = await readFolder(folder, options);
  if (!entries) return;
  const rules = await folder.rules.in(folder.absolutePath);
  const names = new Set(entries.map((entry) => entry.name));
  const subfolders: Folder[] = [];
  for (const entry of entries) {
    const place = {
      absolutePath: join(folder.absolutePath, entry.name),
      path: folder.path === "." ? entry.name : `${folder.path.replace(/\/$/, "")}/${entry.name}`,
      label: folder.label === "" ? entry.name : `${folder.label}/${entry.name}`,
    };
    const isFolder = entry.isDirectory();
    const reason = isFolder
      ? folderSkipReason(entry.name, names)
      : await unreadableReason(entry, place.absolutePath);
    if (reason !== undefined || rules.ignores(place.absolutePath, isFolder)) {
      const path = isFolder ? `${place.path}/` : place.path;
      options.onSkip({ path, reason: reason ?? "ignored by .gitignore" });
    } else if (isFolder) subfolders.push({ ...place, rules });
    else yield* openable(place, options);
  }
  for (const subfolder of subfolders) yield* walkFolder(subfolder, options);
}

async function* openable(
  place: Pick<FoundFile, "absolutePath" | "path" | "label">,
  options: WalkOptions,
): AsyncGenerator<FoundFile> {
  const info = await statOrUndefined(place.absolutePath);
  const reason = info
    ? fileSkipReason(basename(place.absolutePath), info.size)
    : "cannot be opened";
  if (reason !== undefined) options.onSkip({ path: place.path, reason });
  else yield foundFile(place, info, false);
}

async function readFolder(folder: Folder, options: WalkOptions): Promise<Dirent[] | undefined> {
  try {
    const entries = await readdir(folder.absolutePath, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const reason = `cannot be opened (${codeOf(error)})`;
    if (folder.label === "")
      throw new UserError(`${folder.path} ${reason}: check its permissions.`);
    options.onSkip({ path: `${folder.path}/`, reason });
    return undefined;
  }
}

// Links are not followed: what they lead to inside the folder is read where it lies, and what lies outside was not asked for.
async function unreadableReason(entry: Dirent, absolutePath: string): Promise<string | undefined> {
  if (entry.isFile()) return undefined;
  if (!entry.isSymbolicLink()) return "not a regular file";
  try {
    const target = await realpath(absolutePath);
    const isAncestor = absolutePath.startsWith(target + sep);
    return isAncestor ? "link to a folder that holds it" : "link, not followed";
  } catch (error) {
    return codeOf(error) === "ELOOP" ? "link to itself" : "broken link";
  }
}

function foundFile(
  place: Pick<FoundFile, "absolutePath" | "path" | "label">,
  info: Stats | undefined,
  isNamed: boolean,
): FoundFile {
  return { ...place, bytes: info?.size ?? 0, modifiedMs: info?.mtimeMs ?? 0, isNamed };
}

async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === "EACCES")
      throw new UserError(`${path} cannot be opened: permission denied.`);
    return undefined;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
