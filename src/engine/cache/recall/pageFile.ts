// Where pages go that memory has no room for: a file that only this process reads, gone when it ends. Reading is synchronous:
// a record is a few kilobytes, and what is recalled is a small part of the file.

import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { writeRemedy } from "../../systemProblem.ts";

/** A file of records, read by ranges. */
export interface PageFile {
  /** Append bytes; returns where they begin. */
  append(bytes: Uint8Array): number;
  read(offset: number, bytes: number): Uint8Array;
  close(): void;
}

/**
 * A new file in a folder of its own among the system's temporary files.
 * @throws UserError where none can be written, here and from `append`
 */
export function openPageFile(parent: string = tmpdir()): PageFile {
  const { folder, file } = create(parent);
  let size = 0;
  return {
    append(bytes) {
      const offset = size;
      try {
        for (let done = 0; done < bytes.length; )
          done += writeSync(file, bytes, done, bytes.length - done, offset + done);
      } catch (error) {
        throw explained(error, folder);
      }
      size += bytes.length;
      return offset;
    },
    read: (offset, bytes) => readRange(file, offset, bytes),
    close() {
      closeSync(file);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Exactly `bytes` bytes of an open file. */
export function readRange(file: number, offset: number, bytes: number): Uint8Array {
  const record = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, record, done, bytes - done, offset + done);
    if (count === 0) {
      const { size } = fstatSync(file);
      throw new UserError(
        `The file of evicted pages ends at ${size} bytes, before ${offset + bytes}: read the document again.`,
      );
    }
    done += count;
  }
  return record;
}

function create(parent: string): { folder: string; file: number } {
  try {
    const folder = mkdtempSync(join(parent, "lectern-pages-"));
    const file = openSync(join(folder, "pages"), "wx+", 0o600);
    // Where an open file may be removed, nothing is left however this process ends.
    if (process.platform !== "win32") rmSync(folder, { recursive: true, force: true });
    return { folder, file };
  } catch (error) {
    throw explained(error, parent);
  }
}

function explained(error: unknown, folder: string): unknown {
  if (!(error instanceof Error && "code" in error)) return error;
  return new UserError(
    `Evicted pages cannot be kept in ${folder} (${error.message}): ${writeRemedy(error)}, or leave out --cache-recall.`,
  );
}
