// RESULTS.md: every committed result, generated from its file.

import { join } from "node:path";
import { evaluationMarkdown } from "../../src/cli/eval/evaluation.ts";
import { suites } from "../../src/cli/eval/suites/index.ts";
import { repositoryRoot } from "../support/testData.ts";
import { type Result, readResults } from "./results.ts";

export const resultsPagePath = join(repositoryRoot, "test/eval/RESULTS.md");

/** The page as it should be. */
export function resultsPage(): string {
  return [
    "# How good the answers are",
    "Generated from the files in [results](results) by `npx tsx test/eval/run.ts --render`; [README.md](README.md) says how they come about. Cells have few cases: with ten of them a share has an error of some fifteen points, with one it is an example.",
    ...readResults().flatMap(sectionOf),
  ]
    .join("\n\n")
    .concat("\n");
}

function sectionOf(result: Result): string[] {
  const { name, suite, pictures } = result;
  return [
    `## ${name}`,
    suites[suite]?.summary ?? "",
    evaluationMarkdown(result),
    ...pictures.map((picture) => `![${picture.replace(".svg", "")}](results/${name}/${picture})`),
  ];
}
