// Input files of commands: texts and token ids, from a file or from standard input (`-`).

import { readFile, stat } from "node:fs/promises";
import { buffer as readAll } from "node:stream/consumers";
import { decodeText } from "../engine/documents/decodeText.ts";
import { UserError } from "../engine/errors.ts";

/** What a shell puts in place of `<(…)`: somebody writes to it already. */
const SUBSTITUTED = /^\/(?:dev|proc\/self)\/fd\/\d+$/;

/**
 * The text of `file`, or of standard input when it is `-`, whatever its encoding; UTF-8 to the letter, line ends and all.
 * @throws UserError for a binary file, and for a pipe, which nobody may ever write to
 */
export async function readText(file: string): Promise<string> {
  const bytes = file === "-" ? await readAll(process.stdin) : await readBytes(file);
  const text = decodeText(bytes);
  if (text !== undefined) return exactUtf8(bytes) ?? text;
  throw new UserError(
    `${file === "-" ? "Standard input" : file} is binary, or text in an encoding that was not recognised: give text, best in UTF-8.`,
  );
}

function exactUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // another encoding
  }
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    if (!SUBSTITUTED.test(file) && (await stat(file)).isFIFO()) {
      throw new UserError(`${file} is a pipe: give its text on standard input, as file "-".`);
    }
    return await readFile(file);
  } catch (error) {
    // Node names the path when opening fails, not when reading does.
    throw error instanceof Error && !(error instanceof UserError)
      ? Object.assign(error, { path: file })
      : error;
  }
}

/**
 * Token ids written as `{"tokens":[…]}`, as a JSON list, or as numbers between white space.
 * @throws UserError when they are something else or lie outside the vocabulary
 */
export function parseTokens(text: string, file: string, vocabSize: number): number[] {
  const ids = readIds(text);
  if (!ids) {
    throw new UserError(
      `${file} holds no token ids: expected {"tokens":[…]}, a JSON list, or numbers between spaces.`,
    );
  }
  return ids.map((id, i) => {
    const isToken = typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabSize;
    if (isToken) return id;
    throw new UserError(
      `${file} has ${JSON.stringify(id)} at place ${i + 1}: token ids run from 0 to ${vocabSize - 1}.`,
    );
  });
}

function readIds(text: string): readonly unknown[] | undefined {
  const words = text.trim();
  if (/^[\d\s]*$/.test(words)) return words.split(/\s+/).filter(Boolean).map(Number);
  try {
    const json: unknown = JSON.parse(words);
    const list = typeof json === "object" && json !== null && "tokens" in json ? json.tokens : json;
    return Array.isArray(list) ? list : undefined;
  } catch {
    return undefined;
  }
}
