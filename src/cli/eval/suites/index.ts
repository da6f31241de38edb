// The quality suites. To add one: a file here and a line below.

import type { Suite } from "../suite.ts";
import { needle } from "./needle.ts";
import { squad } from "./squad.ts";

export const suites: Readonly<Record<string, Suite>> = {
  needle,
  squad,
};
