// A saved cache as a file: magic with version, header with its own checksum, token ids, rows of keys and values with theirs.
// Written beside its place and renamed; whatever is not exactly as written reads as a miss.

import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { throwIfStopped } from "../errors.ts";
import type { CacheState } from "./snapshot.ts";

/** Its last byte is the version: raised whenever the format or what a prompt's prefix looks like changes. */
const MAGIC = Buffer.from("LECTKV\0\x01", "latin1");
const PRELUDE_BYTES = MAGIC.length + 4 + 32;
const MAX_HEADER_BYTES = 64 * 1024 * 1024;
const WRITE_BYTES = 8 * 1024 * 1024;

export interface SavedDocument {
  readonly path: string;
  readonly sha256: string;
}

/** What is saved about a cache, for listing it. */
export interface SnapshotFacts {
  /** All that the cache's contents depend on beside its tokens. */
  readonly identity: Readonly<Record<string, string | number | null>>;
  readonly model: string;
  readonly policy: string;
  readonly documents: readonly SavedDocument[];
  readonly tokensRead: number;
  readonly tokensKept: number;
}

interface Header extends SnapshotFacts {
  readonly length: number;
  readonly knownSlots: number;
  readonly knownTokens: number;
  readonly summedSlots: number;
  readonly partBytes: readonly number[];
  readonly payloadSha256: string;
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  /** Opens the file to write; default: the file system. */
  readonly openFile?: (path: string) => Promise<Pick<FileHandle, "write" | "sync" | "close">>;
}

/** Write a snapshot to `path`, atomically; returns its size in bytes. A failure leaves what was there before. */
export async function writeSnapshot(
  path: string,
  { facts, state }: { facts: SnapshotFacts; state: CacheState },
  { signal, openFile = (file) => open(file, "wx", 0o600) }: WriteOptions = {},
): Promise<number> {
  const payload = [tokenBytes(state.tokens), ...state.parts];
  const header = encodeHeader(facts, state, sha256(payload));
  // Unique, so that two processes that save the same do not write into one file.
  const temporary = join(dirname(path), `.${process.pid}-${randomBytes(6).toString("hex")}.part`);
  try {
    const file = await openFile(temporary);
    let size = 0;
    try {
      for (const part of [header, ...payload]) {
        for (let at = 0; at < part.length; at += WRITE_BYTES) {
          throwIfStopped(signal);
          const piece = part.subarray(at, at + WRITE_BYTES);
          for (let done = 0; done < piece.length; )
            done += (await file.write(piece, done, piece.length - done)).bytesWritten;
        }
        size += part.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    throwIfStopped(signal);
    await rename(temporary, path);
    return size;
  } catch (error) {
    // Why it failed matters more than what is left of it.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** The facts of a snapshot and its state; undefined for anything but a whole, unchanged snapshot of this version. */
export async function readSnapshot(
  path: string,
): Promise<{ facts: SnapshotFacts; state: CacheState; bytes: number } | undefined> {
  return withFile(path, async (file) => {
    const found = await readHeader(file);
    if (!found) return undefined;
    const { header, end } = found;
    const sizes = [4 * header.tokensRead, ...header.partBytes];
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    if ((await file.stat()).size !== end + total) return undefined;
    const parts: Uint8Array[] = [];
    let at = end;
    for (const bytes of sizes) {
      const part = await readExactly(file, at, bytes);
      if (!part) return undefined;
      parts.push(part);
      at += bytes;
    }
    if (sha256(parts) !== header.payloadSha256) return undefined;
    const [tokens = new Uint8Array(), ...rows] = parts;
    const { length, knownSlots, knownTokens, summedSlots } = header;
    const ids = [...new Uint32Array(tokens.slice().buffer)];
    const state = { tokens: ids, length, knownSlots, knownTokens, summedSlots, parts: rows };
    return { facts: header, state, bytes: at };
  });
}

/** What a file says it holds, without reading its rows; undefined for anything but a snapshot of this version. */
export async function readSnapshotFacts(path: string): Promise<SnapshotFacts | undefined> {
  return withFile(path, async (file) => (await readHeader(file))?.header);
}

function encodeHeader(facts: SnapshotFacts, state: CacheState, payloadSha256: string): Buffer {
  const { length, knownSlots, knownTokens, summedSlots, parts } = state;
  const header: Header = {
    ...facts,
    // The token ids are read by this count.
    tokensRead: state.tokens.length,
    ...{ length, knownSlots, knownTokens, summedSlots, payloadSha256 },
    partBytes: parts.map((part) => part.length),
  };
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(json.length);
  return Buffer.concat([MAGIC, size, createHash("sha256").update(json).digest(), json]);
}

async function readHeader(file: FileHandle): Promise<{ header: Header; end: number } | undefined> {
  const prelude = await readExactly(file, 0, PRELUDE_BYTES);
  if (!prelude?.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const bytes = prelude.readUInt32LE(MAGIC.length);
  if (bytes > MAX_HEADER_BYTES) return undefined;
  const json = await readExactly(file, PRELUDE_BYTES, bytes);
  if (!json) return undefined;
  const digest = createHash("sha256").update(json).digest();
  if (!digest.equals(prelude.subarray(MAGIC.length + 4))) return undefined;
  // The checksum says that this program wrote it.
  return { header: JSON.parse(json.toString()) as Header, end: PRELUDE_BYTES + bytes };
}

async function readExactly(
  file: FileHandle,
  position: number,
  bytes: number,
): Promise<Buffer | undefined> {
  const { size } = await file.stat();
  // Checked before memory is taken: a header that lies must not ask for more than there is.
  if (!(Number.isSafeInteger(bytes) && bytes >= 0 && position + bytes <= size)) return undefined;
  const buffer = Buffer.alloc(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, position + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}

// Files may vanish or be unreadable at any time: other processes remove old ones.
async function withFile<T>(
  path: string,
  read: (file: FileHandle) => Promise<T>,
): Promise<T | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    return await read(file);
  } catch (error) {
    if (error instanceof Error && ("code" in error || error instanceof SyntaxError))
      return undefined;
    throw error;
  } finally {
    await file?.close();
  }
}

function tokenBytes(tokens: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(tokens).buffer);
}

function sha256(parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
