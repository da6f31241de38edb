// The record by which windows find the user's running engine; src/engine/serverEndpoint.ts writes it.

import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineRecord } from "../protocol.ts";

/** Where engines publish themselves, and what this window calls itself in their log. */
export interface EnginePlace {
  readonly runtimeFolder: string;
  readonly name: string;
  readonly client: string;
}

/** The record, if its owner alone could have written it; undefined when no engine has published there. */
export function readRecord({ runtimeFolder, name }: EnginePlace): EngineRecord | undefined {
  const path = join(runtimeFolder, `${name}.json`);
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    const status = fstatSync(file);
    const isMine =
      process.platform === "win32" ||
      (status.uid === process.getuid?.() && (status.mode & 0o077) === 0);
    if (!isMine) throw new Error(`${path} can be written by others: remove it.`);
    return JSON.parse(readFileSync(file, "utf8"));
  } finally {
    closeSync(file);
  }
}
