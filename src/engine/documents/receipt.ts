// The list of what was not read, short enough to print: many skips of one kind in one folder become one line.

import type { Skipped } from "../../protocol.ts";

const MAX_ALIKE = 20;
const MAX_LINES = 200;

/** `skipped` with many alike in one folder counted in one entry, and at most about 200 entries. */
export function shortenReceipt(skipped: readonly Skipped[]): Skipped[] {
  let entries = skipped.map((skip) => ({ ...skip, count: 1 }));
  entries = merge(entries, parentOf, MAX_ALIKE);
  for (let depth = 8; depth >= 0 && entries.length > MAX_LINES; depth--) {
    entries = merge(entries, (path) => ancestorOf(path, depth), 1);
  }
  return entries.map(({ path, reason, count }) => ({
    path,
    reason: count > 1 ? `${count.toLocaleString("en")} files or folders: ${reason}` : reason,
  }));
}

interface Entry extends Skipped {
  readonly count: number;
}

function merge(entries: readonly Entry[], folderOf: (path: string) => string, limit: number) {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const key = `${folderOf(entry.path)}\n${entry.reason}`;
    const group = groups.get(key);
    if (group) group.push(entry);
    else groups.set(key, [entry]);
  }
  return [...groups.values()].flatMap((group): Entry[] => {
    const [first] = group;
    if (!first || group.length <= limit) return group;
    const count = group.reduce((sum, entry) => sum + entry.count, 0);
    return [{ path: folderOf(first.path), reason: first.reason, count }];
  });
}

function parentOf(path: string): string {
  return path.slice(0, path.replace(/\/$/, "").lastIndexOf("/") + 1) || "./";
}

function ancestorOf(path: string, depth: number): string {
  const parts = path.split("/");
  return parts.length <= depth + 1 ? parentOf(path) : `${parts.slice(0, depth).join("/")}/`;
}
