// `lectern search PATH… -q TEXT`: the passages that `ask` would read again. Needs no adapter.

import { defineCommand } from "../command.ts";
import { requireQuestion } from "../question.ts";
import { passageText, skippedText } from "../text.ts";

export const search = defineCommand({
  summary: "Print the passages that a question would be answered from.",
  positionals: { usage: "PATH…", min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    question: { type: "string", short: "q", description: "What to look for. Required." },
    limit: { type: "integer", description: "Passages to print at most." },
  },
  examples: ['book.txt -q "the white whale"'],
  async run({ values, positionals }, { engine, observer, signal }) {
    const question = requireQuestion(values.question);
    const limit = values.limit === undefined ? {} : { limit: values.limit };
    const result = await engine.search(
      { paths: positionals, question, ...limit },
      observer,
      signal,
    );
    const skipped = skippedText(result.skipped);
    if (skipped) observer.log?.("warn", skipped);
    const text = result.passages.map(passageText).join("\n\n");
    return { json: result, text: text || "No passage has a word of the question." };
  },
});
