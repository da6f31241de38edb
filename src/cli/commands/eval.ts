// `lectern eval SUITE [FILE]`: how good the answers are, beside trivial baselines; resumes where it was killed.

import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileVersion, modelDigest } from "../../engine/cache/modelDigest.ts";
import { defaultCacheFolder } from "../../engine/cache/snapshotStore.ts";
import { packageRoot } from "../../engine/resources.ts";
import { defineCommand, UsageError } from "../command.ts";
import { EvalTools, modelFacts } from "../eval/evalTools.ts";
import { evaluationOf, evaluationText } from "../eval/evaluation.ts";
import { Journal } from "../eval/journal.ts";
import { runSuite } from "../eval/runSuite.ts";
import { suites } from "../eval/suites/index.ts";
import { writeEvaluation } from "../eval/writeEvaluation.ts";
import { modelOptions, modelSettings } from "../options.ts";
import { suggest } from "../parse.ts";
import { version } from "../version.ts";

const DEFAULT_CASES = 10;
/** More than any suite has data for. */
const MAX_CASES = 100_000;
/** Options that change where and how results are written, not what they are. */
const NOT_REPEATED: ReadonlySet<string> = new Set(["out", "data", "cache-dir", "json", "verbose"]);

export const evaluate = defineCommand({
  summary: `Measure how good the answers are, beside trivial baselines. Suites: ${Object.keys(suites).join(", ")}.`,
  positionals: { usage: "SUITE [FILE]", min: 1, max: 2 },
  options: {
    cases: {
      type: "integer",
      max: MAX_CASES,
      description: `Cases in a cell of the table. Default ${DEFAULT_CASES}.`,
    },
    seed: { type: "integer", min: 0, description: "Other cases. Default 1." },
    lengths: {
      type: "string",
      value: "N,…",
      description: "Lengths in tokens, or multiples of the trained length: 2048 or 2x.",
    },
    depths: {
      type: "string",
      value: "P,…",
      description: "Where needles stand, in percent of the text. Default 0,25,50,75,100.",
    },
    only: {
      type: "string",
      value: "KEY=ID,…",
      multiple: true,
      description: "Only these cells, such as method=ask,search or kind=single.",
    },
    data: {
      type: "string",
      value: "DIR",
      description: "Folder of public texts and questions. Default: ../shared/data of a checkout.",
    },
    out: {
      type: "string",
      value: "DIR",
      description:
        "Write results there: JSON, Markdown, SVG and a line a case. Default: the lines alone, in the user's cache folder.",
    },
    ...modelOptions,
  },
  examples: [
    "needle --lengths 1x,2x --cases 10",
    "squad --cases 100 --out results --json",
    "fidelity book.txt --cache-policy h2o --cache-budget 512",
  ],
  async run({ values, positionals: [id = "", file] }, { engine, observer, signal }) {
    const suite = Object.hasOwn(suites, id) ? suites[id] : undefined;
    if (!suite) {
      const known = Object.keys(suites);
      throw new UsageError(
        `there is no suite "${id}"${suggest(id, known)}: one of ${known.join(", ")}.`,
      );
    }
    if (file !== undefined && !suite.takesFile)
      throw new UsageError(`the suite ${id} takes no FILE, got "${file}".`);
    const settings = modelSettings(values);
    const model = await modelFacts(settings.model);
    const digest = await digestOf(model.path, signal);
    const seed = values.seed ?? 1;
    const identity = { lectern: version(), suite: id, seed, settings, digest };
    // A document that was written anew is another one.
    const document = file === undefined ? [] : [resolve(file), await fileVersion(file)];
    const name = `${id}-${digestOfJson([identity, ...document]).slice(0, 12)}`;
    const out = values.out === undefined ? undefined : resolve(values.out);
    const journal = await Journal.open(join(out ?? journalFolder(), `${name}.jsonl`));
    // Found again by a run that goes on after a kill, and removed behind the last case.
    const folder = join(tmpdir(), `lectern-eval-${name}`);
    const tools = new EvalTools({
      ...{ engine, work: { observer, signal }, model, settings, folder, seed },
      numCases: values.cases ?? DEFAULT_CASES,
      dataFolder: resolve(values.data ?? join(packageRoot(), "../shared/data")),
      ...(values.lengths !== undefined && { lengths: values.lengths.split(",") }),
      ...(values.depths !== undefined && { depths: depths(values.depths) }),
      ...(file !== undefined && { file }),
    });
    try {
      const only = onlyThese(values.only ?? []);
      const records = await runSuite(suite, { tools, journal, observer, only });
      const facts = {
        ...{ suite: id, model: model.name, digest, seed, settings },
        casesPerCell: tools.numCases,
        command: commandLine(id, file, values),
        journal: journal.path,
      };
      const evaluation = evaluationOf(suite, facts, records);
      if (out !== undefined) await writeEvaluation(out, suite, evaluation, records);
      return { json: evaluation, text: evaluationText(evaluation) };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

function digestOfJson(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** What repeats the measurement, wherever its data and results lie. */
function commandLine(id: string, file: string | undefined, values: object): string {
  const options = Object.entries(values).flatMap(([name, value]) => {
    if (NOT_REPEATED.has(name)) return [];
    return [value].flat().map((one) => `--${name} ${one}`);
  });
  return ["npx lectern eval", id, ...(file === undefined ? [] : [file]), ...options].join(" ");
}

function depths(list: string): number[] {
  return list.split(",").map((text) => {
    const depth = Number(text);
    if (text.trim() !== "" && depth >= 0 && depth <= 100) return depth;
    throw new UsageError(`--depths needs numbers from 0 to 100, got "${list}".`);
  });
}

function onlyThese(options: readonly string[]): Map<string, readonly string[]> {
  return new Map(
    options.map((option) => {
      const [, key, list] = /^([\w-]+)=(.+)$/.exec(option) ?? [];
      if (key === undefined || list === undefined)
        throw new UsageError(`--only needs KEY=ID,…, got "${option}".`);
      return [key, list.split(",")];
    }),
  );
}

/** SHA-256 of the model's file: results of another file are never mixed in. */
async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const folder = journalFolder();
  const digest = await modelDigest(path, { folder, version: await fileVersion(path), signal });
  return digest ?? "changed while it was read";
}

function journalFolder(): string {
  return join(dirname(defaultCacheFolder()), "eval");
}
