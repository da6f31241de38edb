// Writes a suite's result: JSON, Markdown and pictures.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chartOf } from "./charts/index.ts";
import { type Evaluation, evaluationMarkdown } from "./evaluation.ts";
import type { EvalRecord, Suite } from "./suite.ts";

/** Write `<suite>.json`, `<suite>.md` and an SVG for each picture that has anything to show. */
export async function writeEvaluation(
  folder: string,
  suite: Suite,
  evaluation: Evaluation,
  records: readonly EvalRecord[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string) => writeFile(join(folder, name), `${text}\n`);
  // Where its cases lie is this machine's affair.
  const { journal: _, ...result } = evaluation;
  await write(`${evaluation.suite}.json`, JSON.stringify(result, null, 1));
  await write(`${evaluation.suite}.md`, evaluationMarkdown(evaluation));
  for (const spec of suite.charts) {
    const svg = chartOf(suite, spec, records);
    if (svg !== undefined) await write(`${spec.name}.svg`, svg);
  }
}
