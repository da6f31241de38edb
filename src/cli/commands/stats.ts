// `lectern stats`: the saved caches. Needs no adapter.

import { defineCommand } from "../command.ts";
import { modelOptions } from "../options.ts";
import { savedCachesText } from "../text.ts";

export const stats = defineCommand({
  summary:
    "List the saved caches (document, model, policy, tokens read and kept, bytes, last use) and how often they were found.",
  positionals: { usage: "", min: 0, max: 0 },
  options: { "cache-dir": modelOptions["cache-dir"] },
  async run({ values }, { engine }) {
    const cacheDir = values["cache-dir"];
    const saved = await engine.savedCaches(cacheDir === undefined ? {} : { cacheDir });
    return { json: saved, text: savedCachesText(saved) };
  },
});
