// Real texts, models and vocabularies that are not part of this repository (folder LECTERN_TEST_DATA, default ../shared/data).
// Where they are absent a test skips; LECTERN_REQUIRE_DATA=1 makes that a failure.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { skip } from "./skip.ts";

/** Root of this checkout. */
export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));

const folder = resolve(repositoryRoot, process.env.LECTERN_TEST_DATA ?? "../shared/data");

/**
 * Absolute path of a file or folder of test data, e.g. `testData(this, "texts/kjv.txt")`.
 * Skips the running test (or hook) when it is absent; throws under LECTERN_REQUIRE_DATA=1.
 */
export function testData(context: Mocha.Context, path: string): string {
  const file = join(folder, path);
  if (existsSync(file)) return file;
  if (process.env.LECTERN_REQUIRE_DATA === "1") {
    throw new Error(`test data ${path} is missing in ${folder} and LECTERN_REQUIRE_DATA=1`);
  }
  return skip(context, `no test data ${path}`);
}
