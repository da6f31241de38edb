// Zip files from strangers: they may claim to hold far more than they weigh.

import { type UnzipFileInfo, unzip } from "fflate";
import { UserError } from "../errors.ts";

const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

export type Files = Readonly<Record<string, Uint8Array>>;

export interface UnpackOptions {
  /** Whether a file's size counts; all do by default. */
  readonly counts?: (name: string) => boolean;
  /** Whether the files that count are unpacked; otherwise they are only weighed. */
  readonly unpacks: boolean;
}

/** Files of a zip, by name. Throws UserError, naming the `format`, where it is no zip, or unpacks to too much. */
export function unpackZip(
  bytes: Uint8Array,
  format: string,
  { counts = () => true, unpacks }: UnpackOptions,
): Promise<Files> {
  let unpacked = 0;
  return new Promise((resolve, reject) => {
    const filter = ({ name, originalSize }: UnzipFileInfo): boolean => {
      if (!counts(name)) return false;
      unpacked += originalSize;
      return unpacks && unpacked <= MAX_UNPACKED_BYTES;
    };
    unzip(bytes, { filter }, (error, files) => {
      if (error) reject(new UserError(`This is no valid ${format} (${error.message}).`));
      else if (unpacked > MAX_UNPACKED_BYTES)
        reject(new UserError(`This ${format} unpacks to over 256 MB.`));
      else resolve(files);
    });
  });
}
