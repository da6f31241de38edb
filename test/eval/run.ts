// Measures what README.md and RESULTS.md show of the embedded model, or what is named, and writes both anew:
// `npx tsx test/eval/run.ts [NAME…]`. A run that was killed goes on; `--fresh` begins anew, `--render` only writes the pages. LECTERN_TEST_DATA names the data folder.

import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { writeReadmeTables } from "../support/readmeTables.ts";
import { repositoryRoot } from "../support/testData.ts";
import { measurements, sweeps } from "./plan.ts";
import { resultFolder } from "./results.ts";
import { resultsPage, resultsPagePath } from "./resultsPage.ts";

const args = process.argv.slice(2);
const names = args.filter((arg) => !arg.startsWith("--"));
const all = [...measurements, ...sweeps];
const unknown = names.find((name) => !all.some((known) => known.name === name));
if (unknown !== undefined) {
  const known = all.map(({ name }) => name).join(", ");
  console.error(`There is no measurement "${unknown}": one of ${known}.`);
  process.exit(2);
}
const data = resolve(repositoryRoot, process.env.LECTERN_TEST_DATA ?? "../shared/data");

if (!args.includes("--render")) {
  run([join(repositoryRoot, "scripts/build.mjs"), "node"]);
  const chosen = all.filter(({ name }) => names.includes(name));
  for (const measurement of names.length > 0 ? chosen : measurements) {
    const out = resultFolder(measurement.name);
    if (args.includes("--fresh")) rmSync(out, { recursive: true, force: true });
    console.error(`\n${measurement.name}: lectern eval ${measurement.args.join(" ")}`);
    const cli = join(repositoryRoot, "dist/cli.mjs");
    run([cli, "eval", ...measurement.args, "--data", data, "--out", out]);
  }
}
writeFileSync(resultsPagePath, resultsPage());
writeReadmeTables();

function run(command: readonly string[]): void {
  const { status } = spawnSync(process.execPath, command, {
    stdio: "inherit",
    cwd: repositoryRoot,
  });
  if (status !== 0) process.exit(status ?? 1);
}
