// A file of named sections, each in pieces with a digest of their own, so that any of them can be read alone and checked:
// magic with version, pieces, index, digest of the index. Written beside its place and renamed, so it appears whole or not at all.

import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { throwIfStopped } from "../errors.ts";
import { isSystemError } from "../systemProblem.ts";

/** Their last byte is the version: raised whenever the format or what a prompt's prefix looks like changes. */
const MAGIC = Buffer.from("LECTKV\0\x03", "latin1");
const END_MAGIC = Buffer.from("LECTEND\x03", "latin1");
const DIGEST_BYTES = 32;
/** Behind the index: its length, its digest, the end's magic. */
const TRAILER_BYTES = 4 + DIGEST_BYTES + END_MAGIC.length;
const MAX_INDEX_BYTES = 64 * 1024 * 1024;

/** Bytes under a name, in the pieces that are read and checked one at a time; a piece should stay below some megabytes. */
export interface Section {
  readonly name: string;
  readonly pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Where sections are read from: a file, or memory. */
export interface SectionSource {
  /** Bytes of each piece of a section; undefined where there is no such section. */
  pieceBytes(name: string): readonly number[] | undefined;
  /** One piece, unchanged. Throws DamagedError where it is not as it was written. */
  read(name: string, piece: number): Promise<Uint8Array>;
  /** Stay open for one more `close`. */
  retain(): void;
  close(): Promise<void>;
}

/** A piece that is not as it was written: whoever reads treats the whole file as missing. */
export class DamagedError extends Error {
  override readonly name = "DamagedError";
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  /** Opens the file to write; default: the file system. */
  readonly openFile?: (path: string) => Promise<Pick<FileHandle, "write" | "sync" | "close">>;
}

interface SectionIndex {
  readonly name: string;
  readonly bytes: number[];
  /** Of all pieces, one behind the other, in base64. */
  readonly digests: string;
}

interface OpenSection {
  readonly bytes: readonly number[];
  readonly offsets: readonly number[];
  readonly digests: Buffer;
}

interface Index {
  readonly header: unknown;
  readonly sections: readonly SectionIndex[];
}

/** Write `header` (plain JSON) and sections to `path`, atomically; returns the file's size. A failure leaves what was there. */
export async function writeSectionFile(
  path: string,
  { header, sections }: { header: unknown; sections: readonly Section[] },
  { signal, openFile = (file) => open(file, "wx", 0o600) }: WriteOptions = {},
): Promise<number> {
  // Unique, so that two processes that save the same do not write into one file.
  const temporary = join(dirname(path), `.${process.pid}-${randomBytes(6).toString("hex")}.part`);
  try {
    const file = await openFile(temporary);
    let size = 0;
    const write = async (bytes: Uint8Array): Promise<void> => {
      throwIfStopped(signal);
      for (let done = 0; done < bytes.length; )
        done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
      size += bytes.length;
    };
    try {
      await write(MAGIC);
      const written: SectionIndex[] = [];
      for (const section of sections) written.push(await writePieces(section, write));
      await write(encodeIndex({ header, sections: written }));
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

/** An open file of sections. Its index was checked, its pieces are when they are read. */
export class SectionFile implements SectionSource {
  /** What the writer gave. */
  readonly header: unknown;
  /** Size on disk. */
  readonly bytes: number;
  readonly #file: FileHandle;
  #users = 1;
  readonly #sections = new Map<string, OpenSection>();

  private constructor(file: FileHandle, bytes: number, { header, sections }: Index) {
    this.#file = file;
    this.bytes = bytes;
    this.header = header;
    let offset = MAGIC.length;
    for (const { name, bytes, digests } of sections) {
      const offsets: number[] = [];
      for (const piece of bytes) {
        offsets.push(offset);
        offset += piece;
      }
      this.#sections.set(name, { bytes, offsets, digests: Buffer.from(digests, "base64") });
    }
  }

  /** Open `path`; undefined for anything but a whole file of this version. The caller closes it. */
  static async open(path: string): Promise<SectionFile | undefined> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, "r");
      const { size } = await file.stat();
      const index = await readIndex(file, size);
      if (index) {
        const opened = new SectionFile(file, size, index);
        file = undefined;
        return opened;
      }
      return undefined;
    } catch (error) {
      // Files may vanish or be unreadable at any time: other processes remove old ones.
      if (error instanceof SyntaxError || isSystemError(error)) return undefined;
      throw error;
    } finally {
      await file?.close();
    }
  }

  get names(): string[] {
    return [...this.#sections.keys()];
  }

  pieceBytes(name: string): readonly number[] | undefined {
    return this.#sections.get(name)?.bytes;
  }

  async read(name: string, piece: number): Promise<Uint8Array> {
    const section = this.#sections.get(name);
    const [bytes, offset] = [section?.bytes[piece], section?.offsets[piece]];
    if (!section || bytes === undefined || offset === undefined)
      throw new Error(`there is no piece ${piece} of ${name}`);
    const read = await readExactly(this.#file, offset, bytes).catch((error: unknown) => {
      if (isSystemError(error)) return undefined;
      throw error;
    });
    const wanted = section.digests.subarray(piece * DIGEST_BYTES, (piece + 1) * DIGEST_BYTES);
    if (!read || !digestOf(read).equals(wanted))
      throw new DamagedError(`piece ${piece} of ${name} is damaged`);
    return read;
  }

  retain(): void {
    this.#users++;
  }

  async close(): Promise<void> {
    this.#users--;
    if (this.#users === 0) await this.#file.close();
  }
}

async function writePieces(
  { name, pieces }: Section,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<SectionIndex> {
  const bytes: number[] = [];
  const digests: Buffer[] = [];
  for await (const piece of pieces) {
    bytes.push(piece.length);
    digests.push(digestOf(piece));
    await write(piece);
  }
  return { name, bytes, digests: Buffer.concat(digests).toString("base64") };
}

function encodeIndex(index: Index): Buffer {
  const json = Buffer.from(JSON.stringify(index));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([json, length, digestOf(json), END_MAGIC]);
}

async function readIndex(file: FileHandle, size: number): Promise<Index | undefined> {
  if (size < MAGIC.length + TRAILER_BYTES) return undefined;
  const magic = await readExactly(file, 0, MAGIC.length);
  const trailer = await readExactly(file, size - TRAILER_BYTES, TRAILER_BYTES);
  if (!magic?.equals(MAGIC) || !trailer?.subarray(4 + DIGEST_BYTES).equals(END_MAGIC))
    return undefined;
  const bytes = trailer.readUInt32LE();
  const payloadBytes = size - MAGIC.length - TRAILER_BYTES - bytes;
  // Checked before memory is taken: a file that lies must not ask for more than there is.
  if (payloadBytes < 0 || bytes > MAX_INDEX_BYTES) return undefined;
  const json = await readExactly(file, MAGIC.length + payloadBytes, bytes);
  if (!json || !digestOf(json).equals(trailer.subarray(4, 4 + DIGEST_BYTES))) return undefined;
  // The digest says that this program wrote it.
  const index = JSON.parse(json.toString()) as Index;
  const stated = sum(index.sections.map((section) => sum(section.bytes)));
  return stated === payloadBytes ? index : undefined;
}

async function readExactly(
  file: FileHandle,
  position: number,
  bytes: number,
): Promise<Buffer | undefined> {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, position + done);
    if (bytesRead === 0) return undefined;
    done += bytesRead;
  }
  return buffer;
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
