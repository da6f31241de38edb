// Writes GGUF version 3: header first, then each tensor's data as it is produced, so that nothing is held whole.
// The file appears under its name only when it is complete.

import { type FileHandle, open, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";
import { codeOf, hasNoRoom, isForbidden, writeRemedy } from "../systemProblem.ts";
import { rowBytes, type TensorType, tensorTypes } from "./tensorTypes.ts";

/** A metadata value with the type the file gives it. */
export type WritableValue =
  | { readonly type: "u32" | "i32" | "f32" | "u64"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "i32s" | "f32s"; readonly value: readonly number[] };

export interface WritableTensor {
  readonly name: string;
  /** Innermost first: a matrix is [cols, rows]. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** The encoded values, in pieces of any length; together exactly the tensor's bytes. */
  data(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface GgufContents {
  readonly metadata: ReadonlyMap<string, WritableValue>;
  readonly tensors: readonly WritableTensor[];
}

const ALIGNMENT = 32;
const VALUE_CODES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;

/**
 * Write `contents` to `path`, under a temporary name until complete. Returns the bytes written.
 * Throws UserError when it cannot be written; leaves nothing behind on any error.
 */
export async function writeGguf(path: string, contents: GgufContents): Promise<number> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) throw new UserError(`${path} is a folder: give the name of a file to write.`);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.incomplete`);
  const handle = await open(temporary, "w").catch((error: unknown) => {
    throw explained(error, path);
  });
  try {
    const bytes = await writeContents(handle, contents);
    await handle.sync();
    await handle.close();
    await rename(temporary, path);
    return bytes;
  } catch (error) {
    await handle.close();
    await unlink(temporary);
    // Reading the source may have failed as well.
    throw hasNoRoom(error) ? explained(error, path) : error;
  }
}

function explained(error: unknown, path: string): UserError {
  const remedy = hasNoRoom(error) || isForbidden(error) ? `${writeRemedy(error)} or ` : "";
  return new UserError(
    `${path} cannot be written (${codeOf(error) ?? error}): ${remedy}choose another place.`,
  );
}

async function writeContents(handle: FileHandle, contents: GgufContents): Promise<number> {
  const header = encodeHeader(contents);
  await handle.writeFile(header);
  let written = header.length;
  for (const tensor of contents.tensors) {
    const end = written + tensorBytes(tensor);
    for await (const piece of tensor.data()) {
      await handle.writeFile(piece);
      written += piece.length;
    }
    if (written !== end)
      throw new Error(`${tensor.name} gave ${written - end} bytes more than its shape has`);
    const padding = padded(written) - written;
    await handle.writeFile(new Uint8Array(padding));
    written += padding;
  }
  return written;
}

/** The header with its padding up to the data. */
export function encodeHeader({ metadata, tensors }: GgufContents): Buffer {
  const parts: Buffer[] = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, value] of metadata) parts.push(text(key), encodeValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(text(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64));
    parts.push(u32(tensorTypes[tensor.type].code), u64(offset));
    offset = padded(offset + tensorBytes(tensor));
  }
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...parts, Buffer.alloc(padded(bytes) - bytes)]);
}

function encodeValue(value: WritableValue): Buffer {
  switch (value.type) {
    case "u32":
      return Buffer.concat([u32(VALUE_CODES.u32), u32(value.value)]);
    case "i32":
      return Buffer.concat([u32(VALUE_CODES.i32), i32(value.value)]);
    case "f32":
      return Buffer.concat([u32(VALUE_CODES.f32), f32(value.value)]);
    case "u64":
      return Buffer.concat([u32(VALUE_CODES.u64), u64(value.value)]);
    case "bool":
      return Buffer.concat([u32(VALUE_CODES.bool), Buffer.from([value.value ? 1 : 0])]);
    case "string":
      return Buffer.concat([u32(VALUE_CODES.string), text(value.value)]);
    case "strings":
      return Buffer.concat([
        ...arrayHead(VALUE_CODES.string, value.value.length),
        ...value.value.map(text),
      ]);
    case "i32s":
      return Buffer.concat([
        ...arrayHead(VALUE_CODES.i32, value.value.length),
        ...value.value.map(i32),
      ]);
    case "f32s":
      return Buffer.concat([
        ...arrayHead(VALUE_CODES.f32, value.value.length),
        ...value.value.map(f32),
      ]);
    default:
      return value satisfies never;
  }
}

function arrayHead(elementCode: number, length: number): Buffer[] {
  return [u32(VALUE_CODES.array), u32(elementCode), u64(length)];
}

function tensorBytes({ shape, type }: WritableTensor): number {
  const [cols = 1, ...outer] = shape;
  return outer.reduce((product, extent) => product * extent, rowBytes(type, cols));
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function i32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value);
  return buffer;
}

function f32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([u64(bytes.length), bytes]);
}
