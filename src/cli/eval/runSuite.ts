// Runs the cases of a suite that its journal lacks, one after the other.

import { throwIfStopped } from "../../engine/errors.ts";
import type { Observer } from "../../protocol.ts";
import { UsageError } from "../command.ts";
import type { EvalTools } from "./evalTools.ts";
import type { Journal } from "./journal.ts";
import { caseId, type EvalCase, type EvalRecord, type Suite } from "./suite.ts";

export interface RunOptions {
  readonly tools: EvalTools;
  readonly journal: Journal;
  readonly observer: Observer;
  /** Allowed values by key; `method` or a key of cells. Empty: every case. */
  readonly only?: ReadonlyMap<string, readonly string[]>;
}

/** Records of every wanted case, in the suite's order. Throws StoppedError on the signal; what was done stays in the journal. */
export async function runSuite(
  suite: Suite,
  { tools, journal, observer, only = new Map() }: RunOptions,
): Promise<EvalRecord[]> {
  const { signal } = tools.work;
  const all = await suite.cases(tools);
  const cases = all.filter((wanted) => isWanted(wanted, only));
  if (cases.length === 0 || !areKnown([...only.keys()], all))
    throw new UsageError(noCase(only, all));
  const records: EvalRecord[] = [];
  for (const [i, { method, cell, run }] of cases.entries()) {
    throwIfStopped(signal);
    const id = caseId({ method, cell });
    let record = journal.get(id);
    if (!record) {
      const began = { ms: performance.now(), cpu: process.cpuUsage() };
      const outcome = await run();
      const { user, system } = process.cpuUsage(began.cpu);
      const ms = Math.round(performance.now() - began.ms);
      record = {
        id,
        method,
        cell,
        ...outcome,
        ms,
        processorMs: Math.round((user + system) / 1000),
      };
      await journal.add(record);
    }
    records.push(record);
    observer.progress?.({
      phase: "decode",
      done: i + 1,
      total: cases.length,
      unit: "parts",
      detail: id,
    });
  }
  return records;
}

function areKnown(keys: readonly string[], cases: readonly EvalCase[]): boolean {
  return keys.every((key) => cases.some(({ cell }) => key === "method" || key in cell));
}

function noCase(
  only: ReadonlyMap<string, readonly string[]>,
  [first]: readonly EvalCase[],
): string {
  const given = [...only].map(([key, allowed]) => `${key}=${allowed.join()}`);
  const keys = ["method", ...Object.keys(first?.cell ?? {})];
  return `no case is of --only ${given.join(" --only ")}: keys are ${keys.join(", ")}, and results name their values.`;
}

function isWanted(
  { method, cell }: EvalCase,
  only: ReadonlyMap<string, readonly string[]>,
): boolean {
  const values: Readonly<Record<string, string | number>> = { ...cell, method };
  return [...only].every(([key, allowed]) => {
    const value = values[key];
    return value === undefined || allowed.includes(String(value));
  });
}
