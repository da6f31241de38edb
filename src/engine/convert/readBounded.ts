// Reads a small file whole, refusing one that is too big to be what it should be.

import { readFile, stat } from "node:fs/promises";
import { UserError } from "../errors.ts";

/** The bytes of `path`. Throws UserError when it cannot be read or has more than `maxBytes`. */
export async function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes)
      throw new UserError(
        `${path} has ${size} bytes, at most ${maxBytes} are possible: is it the right file?`,
      );
    return await readFile(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = error instanceof Error && "code" in error ? error.code : error;
    throw new UserError(`${path} cannot be read (${code}): check the path.`);
  }
}
