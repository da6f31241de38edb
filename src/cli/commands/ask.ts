// `lectern ask PATH… -q TEXT`: answer from files, folders or globs, with checked citations.

import { defineCommand, UsageError } from "../command.ts";
import { modelOptions, modelSettings, samplingOptions, samplingSettings } from "../options.ts";
import { requireQuestion } from "../question.ts";
import { answerText } from "../text.ts";

export const ask = defineCommand({
  summary:
    "Answer a question from files, folders or globs, with citations checked against the text.",
  positionals: { usage: "PATH…", min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    question: { type: "string", short: "q", description: "The question. Required." },
    "no-cache": {
      type: "boolean",
      description: "Answer from passages alone. This is the default without --cache-recall.",
    },
    "no-retrieval": {
      type: "boolean",
      description:
        "Answer from the saved cache alone, as `lectern ingest` makes it; read first where there is none.",
    },
    ...modelOptions,
    ...samplingOptions,
  },
  examples: [
    'book.txt -q "Who is the narrator?"',
    'src "docs/**/*.md" -q "Where is the port set?"',
  ],
  async run({ values, positionals }, { engine, observer, signal }) {
    if (values["no-retrieval"] && values["no-cache"])
      throw new UsageError("--no-retrieval and --no-cache exclude each other.");
    const answer = await engine.ask(
      {
        paths: positionals,
        question: requireQuestion(values.question),
        ...(values["no-retrieval"] && { noRetrieval: true }),
        ...(values["no-cache"] && { noCache: true }),
        ...modelSettings(values),
        ...samplingSettings(values),
      },
      observer,
      signal,
    );
    return {
      json: answer,
      text: answerText(answer),
      ...(answer.partial && { problem: "the answer broke off before its end: ask again." }),
    };
  },
});
