// A folder of a test's own, gone after it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Inside a `describe`: make a folder before its tests and remove it behind them. Call the result within a test. */
export function useTemporaryFolder(): () => string {
  let folder: string | undefined;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "lectern-test-"));
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  return () => {
    if (folder === undefined) throw new Error("the folder is made in a before hook");
    return folder;
  };
}
