// How often a saved cache was looked for and found: a line for each lookup, appended to a file a month, so that several
// processes may count at once. Files of more than a year ago are removed.

import { appendFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DiskLookups, LookupCounts } from "../../protocol.ts";

const NAME = /^lookups-(\d{4}-\d{2})\.log$/;
const MONTHS_KEPT = 13;

export class DiskUse {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Note a lookup: of `requested` tokens so many were restored. Where the folder cannot be written, it is not counted. */
  async count({ requested, restored }: { requested: number; restored: number }): Promise<void> {
    const day = new Date().toISOString().slice(0, 10);
    const path = join(this.#folder, `lookups-${day.slice(0, 7)}.log`);
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await appendFile(path, `${day} ${requested} ${restored}\n`, { mode: 0o600 });
      const months = await this.#files();
      for (const name of months.slice(0, -MONTHS_KEPT)) await rm(join(this.#folder, name));
    } catch {
      // It only counts.
    }
  }

  /** All lookups that are still on record, and those of each day, the first first. */
  async counts(): Promise<DiskLookups> {
    const byDay = new Map<string, Mutable<Counts>>();
    for (const name of await this.#files()) {
      const text = await readFile(join(this.#folder, name), "utf8").catch(() => "");
      for (const line of text.split("\n")) addLine(byDay, line);
    }
    const days = [...byDay].sort(([a], [b]) => (a < b ? -1 : 1));
    const all = { ...NOTHING };
    for (const [, counts] of days) add(all, counts);
    return { ...withRate(all), days: days.map(([day, counts]) => ({ day, ...withRate(counts) })) };
  }

  async #files(): Promise<string[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.filter((name) => NAME.test(name)).sort();
  }
}

type Counts = Omit<LookupCounts, "hitRate">;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const NOTHING: Counts = {
  lookups: 0,
  hits: 0,
  partialHits: 0,
  tokensRequested: 0,
  tokensRestored: 0,
};

// A line cut short by a full disk or a crash is left out.
function addLine(byDay: Map<string, Mutable<Counts>>, line: string): void {
  const [, day = "", requested, restored] = /^(\d{4}-\d{2}-\d{2}) (\d+) (\d+)$/.exec(line) ?? [];
  if (day === "") return;
  const [tokensRequested, tokensRestored] = [Number(requested), Number(restored)];
  const isHit = tokensRestored > 0 && tokensRestored === tokensRequested;
  const counts = byDay.get(day) ?? { ...NOTHING };
  byDay.set(day, counts);
  add(counts, {
    lookups: 1,
    hits: isHit ? 1 : 0,
    partialHits: tokensRestored > 0 && !isHit ? 1 : 0,
    tokensRequested,
    tokensRestored,
  });
}

function add(to: Mutable<Counts>, more: Counts): void {
  // Both have exactly the keys of Counts.
  for (const key of Object.keys(NOTHING) as (keyof Counts)[]) to[key] += more[key];
}

function withRate(counts: Counts): LookupCounts {
  const { lookups, hits, partialHits } = counts;
  return { ...counts, hitRate: lookups === 0 ? 0 : (hits + partialHits) / lookups };
}
