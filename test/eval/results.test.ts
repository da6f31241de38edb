// The committed results, and the pages made from them.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { suites } from "../../src/cli/eval/suites/index.ts";
import { readReadme } from "../support/readmeTables.ts";
import { measurements, sweeps } from "./plan.ts";
import { qualityTable } from "./qualityTable.ts";
import { readResults, resultFolder } from "./results.ts";
import { resultsPage, resultsPagePath } from "./resultsPage.ts";

describe("committed results", () => {
  it("are what RESULTS.md and README.md show (else run npx tsx test/eval/run.ts --render)", () => {
    assert.equal(readFileSync(resultsPagePath, "utf8"), resultsPage());
    assert.ok(readReadme().includes(qualityTable()));
    assert.ok(qualityTable().split("\n").length >= 3);
  });

  it("are of suites that exist, with the command that repeats them, and small", () => {
    const results = readResults();
    assert.ok(results.length > 0);
    for (const { name, suite, command, cases, tables } of results) {
      const planned = [...measurements, ...sweeps].find((measurement) => measurement.name === name);
      assert.equal(command, `npx lectern eval ${planned?.args.join(" ")}`);
      assert.ok(suites[suite], suite);
      assert.ok(cases > 0 && tables.length > 0, name);
      for (const file of readdirSync(resultFolder(name)))
        if (/\.(json|svg)$/.test(file))
          assert.ok(statSync(join(resultFolder(name), file)).size < 200_000, file);
    }
  });

  it("name a baseline that wins", () => {
    for (const { name, tables } of readResults()) {
      for (const table of tables) {
        const [column] = table.columns;
        if (!table.labels.includes("method") || column?.metric.better !== "higher") continue;
        const values = (isBaseline: boolean) =>
          table.rows
            .filter((row) => row.isBaseline === isBaseline)
            .map((row) => row.values[0] ?? Number.NEGATIVE_INFINITY);
        if (Math.max(...values(true)) > Math.max(...values(false)))
          assert.ok(
            table.remarks.some((remark) => remark.startsWith("A baseline wins")),
            name,
          );
      }
    }
  });
});
