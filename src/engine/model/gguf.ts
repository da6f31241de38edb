// A GGUF file opened for reading by ranges: the header is parsed from a growing window, tensors are read in pieces.
// The file is never held whole in memory.

import { type FileHandle, open, stat } from "node:fs/promises";
import { UserError } from "../errors.ts";
import {
  type GgufHeader,
  MalformedHeader,
  NeedMoreBytes,
  parseGgufHeader,
  type TensorInfo,
} from "./ggufHeader.ts";
import { Metadata } from "./metadata.ts";

export type { TensorInfo } from "./ggufHeader.ts";

const FIRST_WINDOW_BYTES = 2 ** 20;
/** Vocabularies of 262,144 tokens take about 10 MB; far beyond that the counts are damage. */
const MAX_HEADER_BYTES = 256 * 2 ** 20;

export class GgufFile {
  readonly path: string;
  readonly version: number;
  readonly sizeBytes: number;
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #handle: FileHandle;

  private constructor(path: string, sizeBytes: number, header: GgufHeader, handle: FileHandle) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.version = header.version;
    this.metadata = new Metadata(path, header.metadata);
    this.tensors = header.tensors;
    this.#handle = handle;
  }

  /** Open a file and parse its header. Throws UserError when it cannot be read or is not a valid GGUF file. */
  static async open(path: string): Promise<GgufFile> {
    const handle = await openForReading(path);
    try {
      const { size } = await handle.stat();
      return new GgufFile(path, size, await readHeader(handle, path, size), handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes [offset, offset + length) of a tensor's data. Throws UserError when the file shrank since it was opened. */
  async readTensorRange(name: string, offset: number, length: number): Promise<Uint8Array> {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) throw this.metadata.problem(`it has no tensor ${name}.`);
    if (offset < 0 || length < 0 || offset + length > tensor.bytes)
      throw new RangeError(`bytes ${offset} to ${offset + length} lie outside tensor ${name}`);
    return readExactly(this.#handle, this.path, { position: tensor.offset + offset, length });
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    // Asked before opening: a named pipe would keep whoever opens it waiting for a writer.
    const isFile = (await stat(path)).isFile();
    if (!isFile) throw new UserError(`${path} is not a file: give the path of a GGUF model.`);
    return await open(path, "r");
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : error;
    if (code === "ENOENT")
      throw new UserError(`${path} does not exist: give the path of a GGUF model.`);
    throw new UserError(`${path} cannot be opened (${code}): check its permissions.`);
  }
}

async function readHeader(
  handle: FileHandle,
  path: string,
  sizeBytes: number,
): Promise<GgufHeader> {
  let windowBytes = Math.min(sizeBytes, FIRST_WINDOW_BYTES);
  for (;;) {
    const window = await readExactly(handle, path, { position: 0, length: windowBytes });
    try {
      return parseGgufHeader(window, sizeBytes);
    } catch (error) {
      if (error instanceof MalformedHeader)
        throw new UserError(
          `${path} is not a usable GGUF file: ${error.message}. Download or convert it again.`,
        );
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (error.bytes > MAX_HEADER_BYTES)
        throw new UserError(
          `${path} is not a usable GGUF file: its header takes more than ${MAX_HEADER_BYTES} bytes. Download or convert it again.`,
        );
      windowBytes = Math.min(sizeBytes, MAX_HEADER_BYTES, Math.max(error.bytes, 2 * windowBytes));
    }
  }
}

async function readExactly(
  handle: FileHandle,
  path: string,
  { position, length }: { position: number; length: number },
): Promise<Buffer<ArrayBuffer>> {
  const buffer = Buffer.from(new ArrayBuffer(length));
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0)
      throw new UserError(
        `${path} ended at byte ${position + filled} while it was read: another program changed it. Try again.`,
      );
    filled += bytesRead;
  }
  return buffer;
}
