// `lectern ingest PATH…`: read documents into a compressed cache and save it.

import { defineCommand } from "../command.ts";
import { modelOptions, modelSettings } from "../options.ts";
import { ingestionText } from "../text.ts";

export const ingest = defineCommand({
  summary: "Read files, folders or globs into a cache on disk, for `ask --no-retrieval`.",
  positionals: { usage: "PATH…", min: 1, max: Number.POSITIVE_INFINITY },
  options: modelOptions,
  examples: ["book.txt", "book.txt --cache-policy streaming-llm --cache-budget 512"],
  async run({ values, positionals }, { engine, observer, signal }) {
    const params = { paths: positionals, ...modelSettings(values) };
    const ingestion = await engine.ingest(params, observer, signal);
    return { json: ingestion, text: ingestionText(ingestion) };
  },
});
