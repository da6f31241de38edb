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
import { Engine } from "../../../src/engine/engine.ts";
import { UserError } from "../../../src/engine/errors.ts";
import type { OpenModel } from "../../../src/engine/modelHost.ts";
import { scriptedModel } from "../../support/scriptedModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { writeMadeUpData } from "./madeUpData.ts";

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
      ...{ work, model: await modelFacts(undefined), settings: {}, seed, numCases: 2, dataFolder },
      ...{ folder: scratch, lengths: ["600"], depths: [0, 100], file },
    });
  }

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
        await assert.rejects(suite.cases(tools), (error: Error) => {
          assert.ok(error instanceof UserError);
          assert.match(error.message, /is missing in .*nowhere.*--data/);
          return true;
        });
      });
    });
  }

  it("run with the product's own code, and other seeds give other questions", async () => {
    const suite = suites.needle ?? assert.fail();
    const questions = await Promise.all(
      [1, 2].map(async (seed) => {
        const tools = await toolsWith(seed);
        const journal = await Journal.open(join(folder(), `needle-${seed}.jsonl`));
        const only = new Map([
          ["method", ["ask", "search", "window", "truncation"]],
          ["kind", ["single"]],
        ]);
        const records = await runSuite(suite, { tools, journal, observer: {}, only });
        assert.equal(records.length, 4 * 2 * 2);
        const asked = records.filter(({ method }) => method === "search");
        assert.ok(
          asked.every(({ scores }) => scores.right === 1),
          JSON.stringify(asked),
        );
        const [table] = tablesOf(suite, records);
        assert.equal(table?.rows.length, 4);
        const charts = suite.charts.flatMap((spec) => chartOf(suite, spec, records) ?? []);
        assert.equal(charts.length, 5);
        return records.map(({ question }) => question);
      }),
    );
    assert.notDeepEqual(questions[0], questions[1]);
  });
});
