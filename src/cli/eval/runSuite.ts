// Runs the cases of a suite that its journal lacks, one after the other.

import { throwIfStopped } from "../../engine/errors.ts";
import type { Observer } from "../../protocol.ts";
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
  const cases = (await suite.cases(tools)).filter((wanted) => isWanted(wanted, only));
  const records: EvalRecord[] = [];
  for (const [i, { method, cell, run }] of cases.entries()) {
    throwIfStopped(signal);
    const id = caseId({ method, cell });
    let record = journal.get(id);
    if (!record) {
      const began = performance.now();
      const outcome = await run();
      record = { id, method, cell, ...outcome, ms: Math.round(performance.now() - began) };
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
