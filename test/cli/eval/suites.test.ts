// Every suite from end to end with a model that answers from a script: no adapter needed.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "../../../src/cli/eval/charts/index.ts";
import { EvalTools, modelFacts } from "../../../src/cli/eval/evalTools.ts";
import { Journal } from "../../../src/cli/eval/journal.ts";
import { tablesOf } from "../../../src/cli/eval/report.ts";
import { runSuite } from "../../../src/cli/eval/runSuite.ts";
import { caseId } from "../../../src/cli/eval/suite.ts";
import { suites } from "../../../src/cli/eval/suites/index.ts";
import { cachePolicies } from "../../../src/engine/cache/policies/index.ts";
import { Engine } from "../../../src/engine/engine.ts";
import { UserError } from "../../../src/engine/errors.ts";
import type { OpenModel } from "../../../src/engine/modelHost.ts";
import { pilotPath } from "../../support/pilot.ts";
import { scriptedModel } from "../../support/scriptedModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { writeMadeUpData } from "./madeUpData.ts";

/** The scripted model keeps none. */
const NEED_A_CACHE: ReadonlySet<string> = new Set([
  ...["cache", "sinks", "none", "linear", "ntk", "dynamic-ntk", "yarn"],
  ...Object.keys(cachePolicies),
]);

const work = { observer: {}, signal: new AbortController().signal };

describe("quality suites", function () {
  this.timeout(120_000);
  const folder = useTemporaryFolder();
  before(() => writeMadeUpData(folder()));

  /** Tools with a model that quotes the passage's first number. */
  async function toolsWith(seed: number, dataFolder = folder()): Promise<EvalTools> {
    const model = scriptedModel({
      reply: (prompt) =>
        ` ${/\d{4,}/.exec(prompt.replace(/^\[1\].*/m, ""))?.[0] ?? "not in the text"} [1]`,
    });
    const opened = {
      model,
      info: { path: "scripted" },
      adapter: { name: "none" },
      isLost: false,
      gpuBytes: () => ({}),
      dispose: () => {},
    };
    const file = join(folder(), "own.txt");
    writeFileSync(file, "The mill stood by the river. ".repeat(200));
    const scratch = join(folder(), `scratch-${seed}`);
    mkdirSync(scratch, { recursive: true });
    return new EvalTools({
      // Suites look at the model itself alone.
      engine: new Engine({ openModel: async () => opened as unknown as OpenModel }),
      ...{ work, model: await modelFacts(pilotPath), settings: {}, seed, numCases: 2, dataFolder },
      ...{ folder: scratch, lengths: ["600"], depths: [0, 100], file },
    });
  }

  it("recalls no tokens under policies whose heads compete", async () => {
    const cases = (await suites.policies?.cases(await toolsWith(1))) ?? [];
    const recalls = (wanted: string) =>
      new Set(cases.flatMap(({ method, cell }) => (method === wanted ? [cell.recall] : [])));
    assert.deepEqual([...recalls("kvzip")], ["no"]);
    assert.deepEqual([...recalls("h2o")], ["no", "yes"]);
  });

  for (const [id, suite] of Object.entries(suites)) {
    describe(id, () => {
      it("has the same cases for the same seed, each with a name of its own", async () => {
        const [first, second] = await Promise.all([toolsWith(1), toolsWith(1)]);
        const ids = (await suite.cases(first)).map(caseId);
        assert.ok(ids.length > 0);
        assert.equal(new Set(ids).size, ids.length);
        assert.deepEqual((await suite.cases(second)).map(caseId), ids);
      });

      it("has a row for every method, a metric for every column, and a baseline", async () => {
        const cases = await suite.cases(await toolsWith(1));
        const methods = new Set(cases.map(({ method }) => method));
        assert.deepEqual([...methods].sort(), Object.keys(suite.methods).sort());
        assert.ok(suite.metrics[suite.headline.metric]);
        assert.ok(suite.methods[suite.headline.method]);
        for (const { metrics } of suite.tables)
          for (const metric of metrics) assert.ok(suite.metrics[metric], metric);
        assert.ok(Object.values(suite.methods).some(({ isBaseline }) => isBaseline));
      });

      it("says which file is missing where there is no data", async () => {
        const tools = await toolsWith(1, join(folder(), "nowhere"));
        if (suite.data.length === 0) assert.ok((await suite.cases(tools)).length > 0);
        else
          await assert.rejects(suite.cases(tools), (error: Error) => {
            assert.ok(error instanceof UserError);
            assert.match(error.message, /is missing in .*nowhere.*--data/);
            assert.ok(suite.data.some((file) => error.message.includes(file)));
            return true;
          });
      });

      it("runs with the product's own code, and its tables show every method", async () => {
        const methods = Object.keys(suite.methods).filter((method) => !NEED_A_CACHE.has(method));
        const { records } = await run(id, { seed: 1, methods });
        assert.ok(records.length >= 2 * methods.length);
        for (const { scores } of records)
          for (const [metric, score] of Object.entries(scores)) {
            assert.ok(Number.isFinite(score));
            if (suite.metrics[metric]?.unit === "%") assert.ok(score >= 0 && score <= 1, metric);
          }
        const [table] = tablesOf(suite, records);
        const shown = new Set(table?.rows.map(({ labels }) => labels.join()));
        assert.equal(shown.size, table?.rows.length);
        for (const method of methods) {
          const title = suite.methods[method]?.title ?? "";
          assert.ok(
            table?.rows.some(({ labels }) => labels.join().includes(title)),
            title,
          );
        }
      });
    });
  }

  async function run(id: string, { seed, methods }: { seed: number; methods: readonly string[] }) {
    const suite = suites[id] ?? assert.fail(`there is no suite ${id}`);
    const tools = await toolsWith(seed);
    const journal = await Journal.open(join(folder(), `${id}-${seed}-${methods.length}.jsonl`));
    const only = new Map([["method", methods]]);
    return { suite, records: await runSuite(suite, { tools, journal, observer: {}, only }) };
  }

  it("plant needles where search finds them, and other ones for another seed", async () => {
    const questions: string[] = [];
    for (const seed of [3, 4]) {
      const { suite, records } = await run("needle", { seed, methods: ["search"] });
      const single = records.filter(({ cell }) => cell.kind === "single");
      assert.equal(single.length, 2 * 2);
      assert.ok(single.every(({ scores }) => scores.right === 1));
      assert.ok(suite.charts.some((spec) => chartOf(suite, spec, records) !== undefined));
      questions.push(...single.map(({ question = "" }) => question));
    }
    assert.equal(new Set(questions).size, questions.length);
  });
});
