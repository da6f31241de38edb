// `lectern stats`: the saved caches, and how far a cache is from the full one on a text. Only the latter needs an adapter.

import { defineCommand } from "../command.ts";
import { modelOptions, modelSettings } from "../options.ts";
import { fidelityText, savedCachesText } from "../text.ts";

export const stats = defineCommand({
  summary:
    "List the saved caches (document, model, policy, tokens read and kept, bytes, last use) and how often they were found.",
  positionals: { usage: "", min: 0, max: 0 },
  options: {
    fidelity: {
      type: "string",
      value: "PATH",
      multiple: true,
      description:
        "Also compare the cache that the settings give with the full one, on this text: likeliest tokens and KL divergence.",
    },
    ...modelOptions,
  },
  examples: ["", "--fidelity book.txt --cache-policy h2o --cache-budget 512"],
  async run({ values }, { engine, observer, signal }) {
    const settings = modelSettings(values);
    const paths = values.fidelity ?? [];
    const { cacheDir } = settings;
    const saved = await engine.savedCaches(cacheDir === undefined ? {} : { cacheDir });
    if (paths.length === 0) return { json: saved, text: savedCachesText(saved) };
    const fidelity = await engine.fidelity({ ...settings, paths }, observer, signal);
    return {
      json: { ...saved, fidelity },
      text: `${savedCachesText(saved)}\n\n${fidelityText(fidelity)}`,
    };
  },
});
