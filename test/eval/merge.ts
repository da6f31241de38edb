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

// Parts by number, all of which are there, are what the command without numbers measures.
function commandOf(commands: readonly string[]): string {
  const byNumber = / --only number=([\d,]+)/;
  const whole = new Set(commands.map((one) => one.replace(byNumber, "")));
  const numbers = new Set(commands.flatMap((one) => byNumber.exec(one)?.[1]?.split(",") ?? []));
  const [only] = whole;
  if (only !== undefined && whole.size === 1 && numbers.size === casesPerCell) return only;
  return [...new Set(commands)].join(" and ");
}

function identityOf({ suite, digest, seed, settings }: Omit<Evaluation, "journal">): string {
  return JSON.stringify([suite, digest, seed, settings]);
}
