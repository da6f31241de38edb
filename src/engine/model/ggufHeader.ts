// Parses a GGUF header (version 2 or 3) from the first bytes of a file. Every length and count is checked against the
// file's size before anything is sized by it. Knows nothing of files: throws NeedMoreBytes when the window is too short.

import { isUtf8 } from "node:buffer";
import type { MetadataScalar, MetadataValue } from "./metadata.ts";
import { type TensorType, tensorTypeOf, tensorTypes } from "./tensorTypes.ts";

export interface TensorInfo {
  readonly name: string;
  /** Innermost first, as GGUF stores it: a matrix is [cols, rows]. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

/** The window ended before the header did. */
export class NeedMoreBytes extends Error {
  readonly bytes: number;
  constructor(bytes: number) {
    super(`the header needs at least ${bytes} bytes`);
    this.bytes = bytes;
  }
}

/** What is wrong with the file, without its name. */
export class MalformedHeader extends Error {}

const MAGIC = 0x46554747; // "GGUF", little-endian
const MAX_KEY_BYTES = 65535;
const MAX_STRING_BYTES = 64 * 2 ** 20;
const MAX_TENSOR_NAME_BYTES = 63;
const MAX_DIMENSIONS = 4;
const DEFAULT_ALIGNMENT = 32;
/** Smallest encodings: key length, one byte of key, type, one byte of value; name, dimensions, one extent, type, offset. */
const MIN_KEY_VALUE_BYTES = 14;
const MIN_TENSOR_INFO_BYTES = 33;

const STRING = 8;
const ARRAY = 9;
/** Bytes of one value by type code; strings have at least their length. */
const VALUE_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8];

/**
 * Parse a header from `window`, the first bytes of a file of `fileBytes`.
 * Throws NeedMoreBytes when the window ends too early, MalformedHeader when the file is wrong.
 */
export function parseGgufHeader(window: Buffer, fileBytes: number): GgufHeader {
  const cursor = new Cursor(window, fileBytes);
  if (fileBytes < 4 || cursor.u32() !== MAGIC)
    throw new MalformedHeader("it does not begin with the letters GGUF");
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    throw new MalformedHeader(
      version === 0x02000000 || version === 0x03000000
        ? "it is big-endian; only little-endian files are read"
        : `its version is ${version}; versions 2 and 3 are read`,
    );
  const numTensors = cursor.count("tensors", MIN_TENSOR_INFO_BYTES);
  const numKeys = cursor.count("keys", MIN_KEY_VALUE_BYTES);

  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < numKeys; i++) {
    const key = cursor.string(`key ${i}`, MAX_KEY_BYTES);
    if (key === "") throw new MalformedHeader(`key ${i} is empty`);
    if (metadata.has(key)) throw new MalformedHeader(`the key ${key} occurs twice`);
    metadata.set(key, readValue(cursor, key));
  }

  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== "number" || !isPowerOfTwo(alignment))
    throw new MalformedHeader(`general.alignment is ${alignment}; a power of two is needed`);

  const infos: RelativeTensorInfo[] = [];
  for (let i = 0; i < numTensors; i++) infos.push(readTensorInfo(cursor, i));
  return { version, metadata, tensors: placeTensors(infos, cursor, alignment) };
}

interface RelativeTensorInfo {
  readonly name: string;
  readonly shape: readonly bigint[];
  readonly type: TensorType;
  readonly offset: bigint;
}

function readTensorInfo(cursor: Cursor, index: number): RelativeTensorInfo {
  const name = cursor.string(`the name of tensor ${index}`, MAX_TENSOR_NAME_BYTES);
  const numDimensions = cursor.u32();
  if (numDimensions < 1 || numDimensions > MAX_DIMENSIONS)
    throw new MalformedHeader(
      `tensor ${name} has ${numDimensions} dimensions; 1 to ${MAX_DIMENSIONS} are possible`,
    );
  const shape = Array.from({ length: numDimensions }, () => cursor.u64());
  const code = cursor.u32();
  const type = tensorTypeOf(code);
  if (type === undefined) throw new MalformedHeader(`tensor ${name} has the unknown type ${code}`);
  return { name, shape, type, offset: cursor.u64() };
}

/** Check sizes in bigint arithmetic, where nothing wraps, and make the offsets absolute. */
function placeTensors(
  infos: readonly RelativeTensorInfo[],
  cursor: Cursor,
  alignment: number,
): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  const align = BigInt(alignment);
  const pad = (bytes: bigint): bigint => ((bytes + align - 1n) / align) * align;
  const dataStart = pad(BigInt(cursor.offset));
  let expected = 0n;
  for (const { name, shape, type, offset } of infos) {
    if (tensors.has(name)) throw new MalformedHeader(`the tensor ${name} occurs twice`);
    const { blockSize, blockBytes } = tensorTypes[type];
    const zero = shape.find((extent) => extent === 0n);
    if (zero !== undefined) throw new MalformedHeader(`tensor ${name} has a dimension of 0`);
    const cols = shape[0] ?? 0n;
    if (cols % BigInt(blockSize) !== 0n)
      throw new MalformedHeader(
        `a row of tensor ${name} has ${cols} values; ${type} needs a multiple of ${blockSize}`,
      );
    const values = shape.reduce((product, extent) => product * extent, 1n);
    const bytes = (values / BigInt(blockSize)) * BigInt(blockBytes);
    // Tensors follow each other without gaps, as every loader of the format demands: anything else is damage.
    if (offset !== expected)
      throw new MalformedHeader(
        `tensor ${name} is at offset ${offset} of the data; ${expected} is right for its predecessors and an alignment of ${alignment}`,
      );
    const end = dataStart + offset + bytes;
    if (end > BigInt(cursor.fileBytes))
      throw new MalformedHeader(
        `tensor ${name} ends at byte ${end} but the file has ${cursor.fileBytes}: it is incomplete`,
      );
    expected = pad(offset + bytes);
    // Everything lies inside the file, so it is exact as a number.
    tensors.set(name, {
      name,
      shape: shape.map(Number),
      type,
      offset: Number(dataStart + offset),
      bytes: Number(bytes),
    });
  }
  return tensors;
}

function readValue(cursor: Cursor, key: string): MetadataValue {
  const type = cursor.u32();
  if (type !== ARRAY) return readScalar(cursor, type, key);
  const elementType = cursor.u32();
  const elementBytes = VALUE_BYTES[elementType] ?? 0;
  if (elementBytes === 0)
    throw new MalformedHeader(`${key} is a list of the unknown type ${elementType}`);
  const count = cursor.count(`values of ${key}`, elementBytes);
  const values: MetadataScalar[] = [];
  // A list of texts may need more bytes than known so far; asking for the least at once avoids parsing in vain.
  cursor.require(count * elementBytes);
  for (let i = 0; i < count; i++) values.push(readScalar(cursor, elementType, key));
  return values;
}

function readScalar(cursor: Cursor, type: number, key: string): MetadataScalar {
  if (type === STRING) return cursor.string(key, MAX_STRING_BYTES);
  const size = VALUE_BYTES[type] ?? 0;
  if (size === 0) throw new MalformedHeader(`${key} has the unknown value type ${type}`);
  const { bytes } = cursor;
  const at = cursor.take(size);
  switch (type) {
    case 0:
      return bytes.readUInt8(at);
    case 1:
      return bytes.readInt8(at);
    case 2:
      return bytes.readUInt16LE(at);
    case 3:
      return bytes.readInt16LE(at);
    case 4:
      return bytes.readUInt32LE(at);
    case 5:
      return bytes.readInt32LE(at);
    case 6:
      return bytes.readFloatLE(at);
    case 7: {
      const value = bytes.readUInt8(at);
      if (value > 1) throw new MalformedHeader(`${key} is ${value}; a truth value is 0 or 1`);
      return value === 1;
    }
    case 10:
      return exact(bytes.readBigUInt64LE(at));
    case 11:
      return exact(bytes.readBigInt64LE(at));
    default:
      return bytes.readDoubleLE(at);
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}

/** Reads little-endian values; refuses what the file cannot hold, asks for more of what the window does not. */
class Cursor {
  readonly bytes: Buffer;
  readonly fileBytes: number;
  offset = 0;

  constructor(bytes: Buffer, fileBytes: number) {
    this.bytes = bytes;
    this.fileBytes = fileBytes;
  }

  require(length: number): void {
    if (length > this.fileBytes - this.offset)
      throw new MalformedHeader(
        `its header needs ${length} bytes at ${this.offset} but the file has ${this.fileBytes}: it is incomplete`,
      );
    if (this.offset + length > this.bytes.length) throw new NeedMoreBytes(this.offset + length);
  }

  /** Move past `length` bytes and give where they begin. */
  take(length: number): number {
    this.require(length);
    const at = this.offset;
    this.offset += length;
    return at;
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }

  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.take(8));
  }

  /** A count of things that take at least `minBytes` each. */
  count(what: string, minBytes: number): number {
    const count = this.u64();
    const remaining = this.fileBytes - this.offset;
    if (count > BigInt(Math.floor(remaining / minBytes)))
      throw new MalformedHeader(
        `it declares ${count} ${what}, more than its remaining ${remaining} bytes can hold`,
      );
    return Number(count);
  }

  string(what: string, maxBytes: number): string {
    const length = this.u64();
    if (length > BigInt(maxBytes))
      throw new MalformedHeader(
        `${what} is ${length} bytes long; at most ${maxBytes} are possible`,
      );
    const at = this.take(Number(length));
    const slice = this.bytes.subarray(at, this.offset);
    if (!isUtf8(slice)) throw new MalformedHeader(`${what} is not valid UTF-8`);
    return slice.toString("utf8");
  }
}
