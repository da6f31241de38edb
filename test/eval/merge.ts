// Joins the parts of a measurement that several processes ran, each with its own `--out`, into one result:
// `npx tsx test/eval/merge.ts OUT PART… [--cases N]`. Cases of a number from N on are left out, so that a measurement whose
// time ran out has as many in every cell. The parts must be of one suite, model, seed and settings.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Evaluation, evaluationOf, evaluationText } from "../../src/cli/eval/evaluation.ts";
import { Journal } from "../../src/cli/eval/journal.ts";
import { suites } from "../../src/cli/eval/suites/index.ts";
import { writeEvaluation } from "../../src/cli/eval/writeEvaluation.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { cases: { type: "string" } },
});
const [out, ...parts] = positionals;
if (out === undefined || parts.length === 0)
  throw new Error("name the folder of the result and those of its parts");

const evaluations = parts.flatMap(evaluationsIn);
const [first] = evaluations;
const suite = first && suites[first.suite];
if (!first || !suite) throw new Error(`no result of a suite lies in ${parts.join(", ")}`);
const other = evaluations.find((found) => identityOf(found) !== identityOf(first));
if (other) throw new Error(`${other.command} measures something else than ${first.command}`);

const most = Math.max(...evaluations.map(({ casesPerCell }) => casesPerCell));
const casesPerCell = values.cases === undefined ? most : Number(values.cases);
const journals = parts.flatMap((part) =>
  readdirSync(part).flatMap((name) => (name.endsWith(".jsonl") ? join(part, name) : [])),
);
const records = (await Promise.all(journals.map((path) => Journal.open(path))))
  .flatMap((journal) => journal.records)
  .filter(({ cell }) => Number(cell.number) < casesPerCell);
const command = commandOf(evaluations.map((one) => one.command));
const facts = { ...first, casesPerCell, command, journal: journals.join(" ") };
const evaluation = evaluationOf(suite, facts, records);
await writeEvaluation(out, suite, evaluation, records);
console.log(evaluationText(evaluation));

function evaluationsIn(part: string): Omit<Evaluation, "journal">[] {
  return Object.keys(suites).flatMap((id) => {
    const path = join(part, `${id}.json`);
    if (!readdirSync(part).includes(`${id}.json`)) return [];
    // Written by writeEvaluation.
    return JSON.parse(readFileSync(path, "utf8")) as Omit<Evaluation, "journal">;
  });
}

// What the parts measure together: their one command with every value of the one `--only` in which they differ. Parts by number
// that are all there are the command without numbers.
function commandOf(commands: readonly string[]): string {
  for (const key of ["number", "method"]) {
    const pattern = new RegExp(` --only ${key}=(\\S+)`);
    const [whole, ...others] = new Set(commands.map((one) => one.replace(pattern, "")));
    const values = new Set(commands.flatMap((one) => pattern.exec(one)?.[1]?.split(",") ?? []));
    if (whole === undefined || others.length > 0 || values.size === 0) continue;
    if (key !== "number") return `${whole} --only ${key}=${[...values].join(",")}`;
    if (values.size === casesPerCell) return whole;
  }
  return [...new Set(commands)].join(" and ");
}

function identityOf({ suite, digest, seed, settings }: Omit<Evaluation, "journal">): string {
  return JSON.stringify([suite, digest, seed, settings]);
}
