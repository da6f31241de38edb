// The registry of commands: usage texts, suggestions and the README's table derive from it.

import type { Command } from "./command.ts";
import { ask } from "./commands/ask.ts";
import { bench } from "./commands/bench.ts";
import { calibrate } from "./commands/calibrate.ts";
import { convert } from "./commands/convert.ts";
import { detokenize } from "./commands/detokenize.ts";
import { doctor } from "./commands/doctor.ts";
import { evaluate } from "./commands/eval.ts";
import { generate } from "./commands/generate.ts";
import { ingest } from "./commands/ingest.ts";
import { inspect } from "./commands/inspect.ts";
import { models } from "./commands/models.ts";
import { perplexity } from "./commands/perplexity.ts";
import { read } from "./commands/read.ts";
import { search } from "./commands/search.ts";
import { stats } from "./commands/stats.ts";
import { summarize } from "./commands/summarize.ts";
import { tokenize } from "./commands/tokenize.ts";

export const commands: Readonly<Record<string, Command>> = {
  ask,
  ingest,
  summarize,
  read,
  search,
  generate,
  tokenize,
  detokenize,
  perplexity,
  calibrate,
  convert,
  bench,
  eval: evaluate,
  inspect,
  models,
  stats,
  doctor,
};
