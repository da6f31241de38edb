// Dawn's library writes warnings for graphics programmers straight to the process's standard error, past Node. Users get
// one line of Lectern's own instead.

import { closeSync, fstatSync, openSync } from "node:fs";

/** Run `call`, which must be synchronous, with descriptor 2 leading nowhere. Where it cannot be redirected, just run it. */
export function quietly<T>(call: () => T): T {
  const kept = canRedirect() ? tryOpen("/dev/fd/2", "a") : undefined;
  if (kept === undefined) return call();
  replaceStandardError("/dev/null");
  try {
    return call();
  } finally {
    replaceStandardError(`/dev/fd/${kept}`);
    closeSync(kept);
  }
}

/** Opening takes the lowest free descriptor, which is the one just closed: 0 and 1 stay open. */
function replaceStandardError(path: string): void {
  closeSync(2);
  openSync(path, "a");
}

function canRedirect(): boolean {
  if (process.platform === "win32") return false;
  const [out, error] = [fstatSync(1), fstatSync(2)];
  // Opened anew, a file that both streams share would lose their common offset.
  return !(error.isFile() && out.isFile() && out.ino === error.ino);
}

function tryOpen(path: string, flags: string): number | undefined {
  try {
    return openSync(path, flags);
  } catch {
    // A socket, as Node gives its children: it cannot be opened a second time.
    return undefined;
  }
}
