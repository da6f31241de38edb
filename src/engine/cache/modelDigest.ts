// The digest of a model file: every byte, hashed once and remembered by path, size and time of change.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { throwIfStopped } from "../errors.ts";

const READ_BYTES = 4 * 1024 * 1024;

type Remembered = Record<string, { readonly version: string; readonly sha256: string }>;

/** What changes whenever a file is written or replaced. */
export async function fileVersion(path: string): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return [size, mtimeNs, ctimeNs, ino].join();
}

/**
 * SHA-256 of the file at `path`, `folder` remembering it for the next time; undefined where the file is not the `version`
 * that was asked about any more.
 */
export async function modelDigest(
  path: string,
  { folder, version, signal }: { folder: string; version: string; signal?: AbortSignal },
): Promise<string | undefined> {
  if ((await fileVersion(path)) !== version) return undefined;
  const memory = join(folder, "digests.json");
  const known = await readMemory(memory);
  const entry = Object.hasOwn(known, path) ? known[path] : undefined;
  if (entry?.version === version) return entry.sha256;
  const sha256 = await fileDigest(path, signal);
  if ((await fileVersion(path)) !== version) return undefined;
  await writeMemory(folder, memory, { ...known, [path]: { version, sha256 } });
  return sha256;
}

/** SHA-256 of a file, every byte read. Throws StoppedError when the signal fires. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES })) {
    throwIfStopped(signal);
    hash.update(piece);
  }
  return hash.digest("hex");
}

async function readMemory(path: string): Promise<Remembered> {
  try {
    const read: unknown = JSON.parse(await readFile(path, "utf8"));
    // Written by this program; entries are compared before they are believed.
    return typeof read === "object" && read !== null ? (read as Remembered) : {};
  } catch {
    return {};
  }
}

// Forgetting it costs only time, so a folder that cannot be written does not matter.
async function writeMemory(folder: string, path: string, known: Remembered): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify(known), { mode: 0o600 });
    await rename(temporary, path);
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}
