// `lectern read PATH…`: the text Lectern sees. Needs no adapter.

import { defineCommand } from "../command.ts";
import { skippedText } from "../text.ts";

export const read = defineCommand({
  summary: "Print the text Lectern sees in files, folders or globs.",
  positionals: { usage: "PATH…", min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  examples: ["book.html", "src --json"],
  async run({ positionals }, { engine, observer, signal }) {
    const result = await engine.read({ paths: positionals }, observer, signal);
    const skipped = skippedText(result.skipped);
    if (skipped) observer.log?.("warn", skipped);
    const hasSeveral = result.documents.length > 1;
    const texts = result.documents.map(({ path, text }) =>
      hasSeveral ? `==> ${path} <==\n${text}\n` : text,
    );
    return { json: result, text: texts.join(""), isVerbatim: true };
  },
});
