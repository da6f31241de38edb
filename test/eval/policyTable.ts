// The README's table of cache policies: what each keeps, and how many pass keys a question behind the text still finds.

import type { Table } from "../../src/cli/eval/report.ts";
import { cachePolicies } from "../../src/engine/cache/policies/index.ts";
import { markdownRows } from "../support/markdownRows.ts";
import { readResults } from "./results.ts";

const MEASURED = "embedded-policies-h200";
const FOUND = "key found, asked after";
const DIVERGENCE = "KL from the full cache";
const BUDGETS = ["1/2", "1/4", "1/8", "1/16"];
/** At it the divergence is given. */
const MIDDLE = "1/4";

/** The table as Markdown. Throws Error when the result it is made of is missing. */
export function policyTable(): string {
  const table = readResults().find(({ name }) => name === MEASURED)?.tables[0];
  if (!table) throw new Error(`test/eval/results has no ${MEASURED}`);
  return markdownRows(
    [
      ...["`--cache-policy`", "what it does"],
      ...BUDGETS.map((budget) => `keys at ${budget}`),
      `KL at ${MIDDLE}, nats`,
    ],
    Object.entries(cachePolicies).map(([id, { description, evicts }]) => {
      const valueAt = (budget: string, recall: string, title: string) =>
        measured(table, [evicts ? budget : "all", recall, `\`${id}\``], title);
      const found = BUDGETS.map((budget) =>
        ["no", "yes"]
          .map((recall) => valueAt(budget, recall, FOUND))
          .flatMap((share) => (share === undefined ? [] : `${Math.round(100 * share)}`))
          .join(" → ")
          .concat(" %"),
      );
      return [
        `\`${id}\``,
        description,
        ...found,
        valueAt(MIDDLE, "no", DIVERGENCE)?.toFixed(3) ?? "",
      ];
    }),
  );
}

/** A cell of the row that has these labels, whose method may be marked as a baseline. */
function measured({ rows, columns }: Table, labels: readonly string[], title: string) {
  const column = columns.findIndex((one) => one.title === title);
  const row = rows.find((one) => labels.every((label, i) => one.labels[i]?.startsWith(label)));
  return row?.values[column] ?? undefined;
}
