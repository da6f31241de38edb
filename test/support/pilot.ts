// The pilot, a small trained model: tests that need any use it, since it is quick without a GPU, and stays the same whatever
// model is embedded.

import { join } from "node:path";
import { repositoryRoot } from "./testData.ts";

/** Where it lies in the repository; test/fixtures/README.md says what it is. */
export const PILOT_FILE = "test/fixtures/pilot.gguf";
export const pilotPath = join(repositoryRoot, PILOT_FILE);
/** Tokens it was trained on at once. */
export const PILOT_CONTEXT = 1024;
