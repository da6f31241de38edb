// Tables of a report as Markdown and as text.

import { textTable } from "../textTable.ts";
import { formatValue, type Table } from "./report.ts";

/** The table with its title and remarks. */
export function markdownTable(table: Table): string {
  const { head, rows } = cellsOf(table);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i < table.labels.length ? "---" : "---:"));
  return [
    `**${table.title}**`,
    "",
    ...[head, rule, ...rows].map(line),
    ...(table.remarks.length > 0 ? ["", ...table.remarks.map((remark) => `- ${remark}`)] : []),
  ].join("\n");
}

/** The same for a terminal. */
export function plainTable(table: Table): string {
  const { head, rows } = cellsOf(table);
  return [table.title, textTable(head, rows), ...table.remarks].join("\n");
}

function cellsOf({ labels, columns, rows }: Table) {
  return {
    head: [...labels, ...columns.map(({ title }) => title), "cases"],
    rows: rows.map((row) => [
      ...row.labels,
      ...columns.map(({ metric }, i) => formatValue(row.values[i], metric)),
      `${row.cases}`,
    ]),
  };
}
