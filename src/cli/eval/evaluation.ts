// What `eval` prints and what a result file holds.

import type { ModelSettings } from "../../protocol.ts";
import { markdownTable, plainTable } from "./markdown.ts";
import { matches, meanOf, type Table, tablesOf } from "./report.ts";
import type { EvalRecord, Suite } from "./suite.ts";

export interface EvaluationFacts {
  readonly suite: string;
  readonly model: string;
  /** SHA-256 of the model's file. */
  readonly digest: string;
  readonly seed: number;
  readonly casesPerCell: number;
  readonly settings: ModelSettings;
  /** The command line that repeats it. */
  readonly command: string;
  /** The file of cases. */
  readonly journal: string;
}

export interface Evaluation extends EvaluationFacts {
  /** The suite's one number, as the mean of `metric` over the cases of `method`; absent where none was run. */
  readonly score?: number;
  readonly scoreOf: { readonly method: string; readonly metric: string };
  /** Cases in all. */
  readonly cases: number;
  /** Time that the cases took, from this run and those before. */
  readonly seconds: number;
  /** Of all processors together. */
  readonly processorSeconds: number;
  readonly tables: readonly Table[];
}

/** The report of a suite's records. */
export function evaluationOf(
  suite: Suite,
  facts: EvaluationFacts,
  records: readonly EvalRecord[],
): Evaluation {
  const { method, metric } = suite.headline;
  const own = records.filter((record) => matches(record, { method }));
  const score = meanOf(own, metric);
  return {
    ...facts,
    ...(score !== undefined && { score }),
    scoreOf: suite.headline,
    cases: records.length,
    seconds: Math.round(records.reduce((sum, { ms }) => sum + ms, 0) / 1000),
    processorSeconds: Math.round(
      records.reduce((sum, { processorMs }) => sum + processorMs, 0) / 1000,
    ),
    tables: tablesOf(suite, records),
  };
}

/** The report for a terminal. */
export function evaluationText(evaluation: Evaluation): string {
  const { cases, seconds, seed, model, journal } = evaluation;
  return [
    ...evaluation.tables.map(plainTable),
    `${cases} cases in ${seconds} s, seed ${seed}, ${model}. Cases: ${journal}`,
  ].join("\n\n");
}

/** The report as Markdown: tables, and the command that repeats them. */
export function evaluationMarkdown(evaluation: Omit<Evaluation, "journal">): string {
  const { model, digest, seed, cases, seconds, processorSeconds, command } = evaluation;
  return [
    ...evaluation.tables.map(markdownTable),
    `${model} (SHA-256 ${digest.slice(0, 12)}), ${cases} cases in ${seconds} s (${processorSeconds} s of processor time), seed ${seed}: \`${command}\``,
  ].join("\n\n");
}
