// `lectern summarize PATH`: read everything in parts and merge.

import { defineCommand } from "../command.ts";
import { modelOptions, modelSettings, samplingOptions, samplingSettings } from "../options.ts";
import { summaryText } from "../text.ts";

export const summarize = defineCommand({
  summary: "Summarise a file or folder, section by section and as a whole.",
  positionals: { usage: "PATH", min: 1, max: 1 },
  options: { ...modelOptions, ...samplingOptions },
  examples: ["book.txt"],
  async run({ values, positionals: [path = ""] }, { engine, observer, signal }) {
    const settings = { ...modelSettings(values), ...samplingSettings(values) };
    const summary = await engine.summarize({ path, ...settings }, observer, signal);
    return {
      json: summary,
      text: summaryText(summary),
      ...(summary.partial && { problem: "the summary broke off before its end: run it again." }),
    };
  },
});
