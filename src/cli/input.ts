// Input files of commands: texts and token ids, from a file or from standard input (`-`).

import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { UserError } from "../engine/errors.ts";

/** The text of `file`, or of standard input when it is `-`. */
export async function readText(file: string): Promise<string> {
  if (file === "-") return readAll(process.stdin);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    // Node names the path when opening fails, not when reading does.
    throw error instanceof Error ? Object.assign(error, { path: file }) : error;
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
