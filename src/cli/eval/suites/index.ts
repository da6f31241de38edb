// The quality suites. To add one: a file here and a line below.

import type { Suite } from "../suite.ts";
import { citation } from "./citation.ts";
import { fidelity } from "./fidelity.ts";
import { needle } from "./needle.ts";
import { passkey } from "./passkey.ts";
import { perplexity } from "./perplexity.ts";
import { policies } from "./policies.ts";
import { refusal } from "./refusal.ts";
import { squad } from "./squad.ts";
import { tracking } from "./tracking.ts";
import { words } from "./words.ts";

export const suites: Readonly<Record<string, Suite>> = {
  needle,
  passkey,
  tracking,
  words,
  squad,
  refusal,
  citation,
  perplexity,
  policies,
  fidelity,
};
