// The README's table of how good the answers are: cells of the committed results beside their best baselines.

import { formatValue, type Table, type TableRow } from "../../src/cli/eval/report.ts";
import { markdownRows } from "../support/markdownRows.ts";
import { readResults } from "./results.ts";

/** Cells of a table that the README shows. */
interface Pick {
  readonly measure: string;
  /** The measurement, and which of its tables. */
  readonly of: string;
  readonly table?: number;
  /** Labels of rows beside the method's; every place where absent. */
  readonly place?: string;
  /** Title of a column; all columns where absent. */
  readonly column?: string;
  /** Words of the method that answers; the best one where absent. */
  readonly method?: string;
}

const reader = (of: string, place: string, passages: string): Pick[] =>
  ["may refuse", "refusing no choice"].map((method) => ({
    measure: `SQuAD, ${passages}, ${method}: F1`,
    ...{ of, place, column: "F1", method },
  }));

const picks: readonly Pick[] = [
  ...reader("squad", "gold", "gold paragraph"),
  ...reader("squad-distractors", "distractors", "gold + 3 distractors"),
  { measure: "SQuAD, open book: F1", of: "squad-open", column: "F1", place: "open-book" },
  ...["unanswerable recognised", "answerable wrongly refused"].map((column) => ({
    measure: `SQuAD 2.0, over the paragraph: ${column}`,
    ...{ of: "refusal", column, method: "over the paragraph" },
  })),
  { measure: "pass key within the trained length", of: "passkey-h200", place: "4096" },
  { measure: "needle, asked after reading", of: "needle" },
  { measure: "needle, the cache alone", of: "needle-cache-h200" },
  { measure: "verse of the Bible: right address", of: "citation", column: "right address" },
  { measure: "variable tracking", of: "embedded-tracking-h200" },
  { measure: "most frequent words", of: "embedded-words-h200" },
];

/** The table as Markdown; each row says where a baseline wins. */
export function qualityTable(): string {
  const results = readResults();
  const rows = picks.flatMap((pick) => {
    const result = results.find(({ name }) => name === pick.of);
    const table = result?.tables[pick.table ?? 0];
    return result && table ? rowsOf(pick, table) : [];
  });
  return markdownRows(["measure", "Lectern", "best baseline", "cases"], rows);
}

function rowsOf(pick: Pick, table: Table): string[][] {
  const method = table.labels.indexOf("method");
  const placeOf = ({ labels }: TableRow) => labels.filter((_, i) => i !== method).join(", ");
  const places = [...new Set(table.rows.map(placeOf))].filter(
    (place) => pick.place === undefined || pick.place === place,
  );
  return places.flatMap((place) =>
    table.columns.flatMap(({ title, metric }, i) => {
      if (pick.column !== undefined && pick.column !== title) return [];
      const rivals = table.rows.filter((row) => placeOf(row) === place);
      const sign = metric.better === "higher" ? 1 : -1;
      const best = (rows: readonly TableRow[]) =>
        rows
          .filter(({ values }) => values[i] !== null)
          .sort((a, b) => sign * ((b.values[i] ?? 0) - (a.values[i] ?? 0)))[0];
      const own = rivals.filter(
        ({ isBaseline, labels }) =>
          !isBaseline && (labels[method] ?? "").includes(pick.method ?? ""),
      );
      const [ours, baseline] = [best(own), best(rivals.filter((row) => row.isBaseline))];
      const value = ours?.values[i];
      if (!ours || value === null || value === undefined) return [];
      const rival = baseline?.values[i];
      const isBeaten = typeof rival === "number" && sign * (rival - value) > 0;
      const named = (row: TableRow) => (row.labels[method] ?? "").replace(" (baseline)", "");
      const where = [
        pick.place === undefined ? place : "",
        pick.column === undefined ? title : "",
      ].filter((text) => text !== "");
      return [
        [
          [pick.measure, ...where].join(", "),
          `${formatValue(value, metric)}${pick.method === undefined ? ` (${named(ours)})` : ""}`,
          baseline
            ? `${formatValue(rival, metric)} (${named(baseline)})${isBeaten ? ": **the baseline wins**" : ""}`
            : "",
          `${ours.cases}`,
        ],
      ];
    }),
  );
}
