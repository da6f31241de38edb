// The cases that were run, a JSON line each, written as soon as one is done: what a killed run did is not done again.

import { appendFile, mkdir, readFile, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import type { EvalRecord } from "./suite.ts";

export class Journal {
  readonly path: string;
  readonly #records: Map<string, EvalRecord>;

  private constructor(path: string, records: Map<string, EvalRecord>) {
    this.path = path;
    this.#records = records;
  }

  /** Open the journal at `path`; a line that a kill tore off is dropped from the file. */
  static async open(path: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
    const records = new Map<string, EvalRecord>();
    for (const line of whole.split("\n")) {
      // Written by this program, a line at a time.
      const record = line === "" ? undefined : (JSON.parse(line) as EvalRecord);
      if (record) records.set(record.id, record);
    }
    return new Journal(path, records);
  }

  /** Those there are, in the order they were added in. */
  get records(): readonly EvalRecord[] {
    return [...this.#records.values()];
  }

  get(id: string): EvalRecord | undefined {
    return this.#records.get(id);
  }

  async add(record: EvalRecord): Promise<void> {
    await appendFile(this.path, `${JSON.stringify(record)}\n`);
    this.#records.set(record.id, record);
  }
}
