// What a quality suite is: cases that are the same for the same seed, and how their scores become tables and pictures.

import type { EvalTools } from "./evalTools.ts";

/** What tells a case from others beside its method: kind, length, depth, number. */
export type Cell = Readonly<Record<string, string | number>>;

export interface EvalCase {
  /** Who answers: a key of the suite's methods. */
  readonly method: string;
  readonly cell: Cell;
  run(): Promise<Outcome>;
}

export interface Outcome {
  /** By metric. Shares run from 0 to 1. */
  readonly scores: Readonly<Record<string, number>>;
  readonly question?: string;
  readonly answer?: string;
  readonly expected?: string;
}

/** A case that was run: one line of the journal. */
export interface EvalRecord extends Outcome {
  readonly id: string;
  readonly method: string;
  readonly cell: Cell;
  readonly ms: number;
  /** Time of all processors together, which other work on the machine hardly changes. */
  readonly processorMs: number;
}

export interface Method {
  readonly title: string;
  /** A trivial way to answer, which a real one has to beat. */
  readonly isBaseline?: boolean;
}

export interface Metric {
  readonly title: string;
  /** `%`: the score is a share. */
  readonly unit: "%" | "nats" | "";
  readonly digits: number;
  readonly better: "higher" | "lower";
  /** Scores are natural logarithms: their mean is shown as its exponential. */
  readonly isLog?: boolean;
}

/** One row for each combination of `rows`, which are `method` or keys of cells; one column for each metric, or for each value of `columns`. */
export interface TableSpec {
  readonly title: string;
  readonly rows: readonly string[];
  readonly columns?: string;
  readonly metrics: readonly string[];
  /** Metrics by which baselines compete; default all. */
  readonly compared?: readonly string[];
  readonly where?: Cell;
}

export interface ChartSpec {
  readonly kind: "heat-map" | "lines";
  /** File name without its ending. */
  readonly name: string;
  readonly title: string;
  readonly metric: string;
  /** Key of cells along the horizontal axis. */
  readonly x: string;
  /** `method` or a key of cells: the vertical axis of a heat map, one line each. */
  readonly y: string;
  /** Only cases of this method and these cells. */
  readonly where?: Cell;
}

export interface Suite {
  /** One sentence for lists of suites. */
  readonly summary: string;
  /** It measures on a document of the user's own. */
  readonly takesFile?: boolean;
  /** Files of the data folder that it reads. */
  readonly data: readonly string[];
  readonly methods: Readonly<Record<string, Method>>;
  readonly metrics: Readonly<Record<string, Metric>>;
  /** The one number that stands for the suite. */
  readonly headline: { readonly method: string; readonly metric: string };
  readonly tables: readonly TableSpec[];
  readonly charts: readonly ChartSpec[];
  /** Every case, in the order they are run in. Throws UserError where data is missing. */
  cases(tools: EvalTools): Promise<readonly EvalCase[]>;
}

/** A share of right answers. */
export function percent(title: string, better: Metric["better"] = "higher"): Metric {
  return { title, unit: "%", digits: 1, better };
}

/** Name of a case: the same for the same method and cell. */
export function caseId({ method, cell }: Pick<EvalCase, "method" | "cell">): string {
  const place = Object.entries(cell).map(([key, value]) => `${key}=${value}`);
  return [method, ...place].join(" ");
}
