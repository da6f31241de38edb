// Means of scores as tables, and what they say about baselines, in words.

import type { Cell, EvalRecord, Metric, Suite, TableSpec } from "./suite.ts";

const BASELINE = " (baseline)";

export interface TableColumn {
  readonly title: string;
  readonly metric: Metric;
}

export interface TableRow {
  /** One for each of the table's row keys. */
  readonly labels: readonly string[];
  /** One for each column: the mean over cases, or null where there was none. */
  readonly values: readonly (number | null)[];
  /** Cases behind each value; the smallest where columns differ. */
  readonly cases: number;
  readonly isBaseline: boolean;
}

export interface Table {
  readonly title: string;
  readonly labels: readonly string[];
  readonly columns: readonly TableColumn[];
  readonly rows: readonly TableRow[];
  /** What a reader must not miss, such as a baseline that wins. */
  readonly remarks: readonly string[];
}

/** The tables of a suite that have any case. */
export function tablesOf(suite: Suite, records: readonly EvalRecord[]): Table[] {
  return suite.tables
    .map((spec) => tableOf(suite, spec, records))
    .filter((table) => table.rows.length > 0);
}

/** Mean of a metric over the records that have it; undefined for none. */
export function meanOf(records: readonly EvalRecord[], metric: string): number | undefined {
  const scores = records.flatMap(({ scores }) => scores[metric] ?? []);
  if (scores.length === 0) return undefined;
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

/** Whether a record is of these cells (or of this `method`). */
export function matches(record: EvalRecord, where: Cell = {}): boolean {
  return Object.entries(where).every(([key, value]) => cellValue(record, key) === String(value));
}

/** A record's method or a value of its cell, as text; empty where it has none. */
export function cellValue(record: EvalRecord, key: string): string {
  return String(key === "method" ? record.method : (record.cell[key] ?? ""));
}

/** The different values of a key, numbers in their order, the rest as they come. */
export function cellValues(records: readonly EvalRecord[], key: string): string[] {
  const values = [...new Set(records.map((record) => cellValue(record, key)))];
  const areNumbers = values.every((value) => value !== "" && Number.isFinite(Number(value)));
  return areNumbers ? values.sort((a, b) => Number(a) - Number(b)) : values;
}

/** A value with its unit, `n/a` for none. */
export function formatValue(value: number | null | undefined, metric: Metric): string {
  if (value === null || value === undefined) return "n/a";
  const number = shownValue(value, metric).toFixed(metric.digits);
  return metric.unit === "" ? number : `${number} ${metric.unit}`;
}

function shownValue(value: number, { unit, isLog }: Metric): number {
  if (isLog) return Math.exp(value);
  return unit === "%" ? 100 * value : value;
}

function tableOf(suite: Suite, spec: TableSpec, all: readonly EvalRecord[]): Table {
  const records = all.filter(
    (record) =>
      matches(record, spec.where) &&
      spec.metrics.some((id) => record.scores[id] !== undefined) &&
      (spec.columns === undefined || cellValue(record, spec.columns) !== ""),
  );
  const columns = columnsOf(suite, spec, records);
  const groups = new Map<string, EvalRecord[]>();
  for (const record of records) {
    const key = JSON.stringify(spec.rows.map((row) => cellValue(record, row)));
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  const rows = [...groups.values()]
    .sort(byLabels(suite, spec.rows, records))
    .map((group): TableRow => {
      const [first] = group;
      const parts = columns.map(({ where }) => group.filter((record) => matches(record, where)));
      const counts = parts
        .map((part, i) => part.filter(({ scores }) => columns[i] && columns[i].id in scores).length)
        .filter((count) => count > 0);
      return {
        labels: spec.rows.map((row) => labelOf(suite, first, row)),
        values: columns.map(({ id }, i) => meanOf(parts[i] ?? [], id) ?? null),
        cases: Math.min(...counts),
        isBaseline: suite.methods[first?.method ?? ""]?.isBaseline === true,
      };
    });
  const table = {
    title: spec.title,
    labels: spec.rows,
    columns: columns.map(({ title, metric }) => ({ title, metric })),
    rows,
  };
  const compared = columns.filter(({ id }) => (spec.compared ?? spec.metrics).includes(id));
  const titles = new Set(compared.map(({ title }) => title));
  return { ...table, remarks: spec.rows.includes("method") ? remarksOn(table, titles) : [] };
}

interface Column extends TableColumn {
  readonly id: string;
  readonly where: Cell;
}

function columnsOf(suite: Suite, spec: TableSpec, records: readonly EvalRecord[]): Column[] {
  return spec.metrics.flatMap((id) => {
    const metric = suite.metrics[id];
    if (!metric) throw new Error(`there is no metric ${id}`);
    const { columns } = spec;
    if (columns === undefined) {
      const isMeasured = records.some(({ scores }) => scores[id] !== undefined);
      return isMeasured ? [{ id, metric, title: metric.title, where: {} }] : [];
    }
    return cellValues(records, columns).map((value) => ({
      id,
      metric,
      title:
        spec.metrics.length > 1 ? `${metric.title}, ${columns} ${value}` : `${columns} ${value}`,
      where: { [columns]: value },
    }));
  });
}

// Numbers in their order, methods as the suite has them, the rest as it comes.
function byLabels(suite: Suite, keys: readonly string[], records: readonly EvalRecord[]) {
  const ranks = keys.map((key) => {
    const values = key === "method" ? Object.keys(suite.methods) : cellValues(records, key);
    return new Map(values.map((value, i) => [value, i]));
  });
  return ([a]: readonly EvalRecord[], [b]: readonly EvalRecord[]): number => {
    if (!a || !b) return 0;
    const rank = (record: EvalRecord, i: number) => ranks[i]?.get(cellValue(record, keys[i] ?? ""));
    const differences = keys.map((_, i) => (rank(a, i) ?? 0) - (rank(b, i) ?? 0));
    return differences.find((difference) => difference !== 0) ?? 0;
  };
}

function labelOf(suite: Suite, record: EvalRecord | undefined, key: string): string {
  if (!record) return "";
  if (key !== "method") return cellValue(record, key);
  const method = suite.methods[record.method];
  return `${method?.title ?? record.method}${method?.isBaseline ? BASELINE : ""}`;
}

// Rows that differ in their method alone compete.
function remarksOn(
  { labels, columns, rows }: Omit<Table, "remarks">,
  compared: ReadonlySet<string>,
): string[] {
  const method = labels.indexOf("method");
  const placeOf = (row: TableRow) =>
    row.labels.flatMap((label, i) => (i === method ? [] : `${labels[i]} ${label}`)).join(", ");
  const wins: string[] = [];
  const ties: string[] = [];
  for (const place of new Set(rows.map(placeOf))) {
    const rivals = rows.filter((row) => placeOf(row) === place);
    for (const [i, { title, metric }] of columns.entries()) {
      if (!compared.has(title)) continue;
      const best = (isBaseline: boolean) =>
        bestOf(
          rivals.filter((row) => row.isBaseline === isBaseline),
          i,
          metric,
        );
      const [baseline, real] = [best(true), best(false)];
      if (!baseline || !real) continue;
      const difference = (baseline.value - real.value) * (metric.better === "higher" ? 1 : -1);
      const where = [place, title].filter((text) => text !== "").join(", ");
      const name = baseline.row.labels[method]?.replace(BASELINE, "");
      const value = formatValue(baseline.value, metric);
      if (difference > 0) {
        const beaten = `${formatValue(real.value, metric)} of ${real.row.labels[method]}`;
        wins.push(`${where}: ${name} ${value} against ${beaten}`);
        // Where all fail alike, nobody is good.
      } else if (difference === 0 && baseline.value !== 0) ties.push(`${where}: ${name} ${value}`);
    }
  }
  return [
    ...(wins.length > 0 ? [`A baseline wins (${wins.join("; ")}).`] : []),
    ...(ties.length > 0 ? [`A baseline is as good (${ties.join("; ")}).`] : []),
  ];
}

function bestOf(rows: readonly TableRow[], column: number, metric: Metric) {
  const found = rows.flatMap((row) => {
    const value = row.values[column];
    return value === null || value === undefined ? [] : [{ row, value }];
  });
  const sign = metric.better === "higher" ? 1 : -1;
  return found.sort((a, b) => sign * (b.value - a.value))[0];
}
