// Suites on a real adapter: a full cache agrees with itself, eight bits hardly change it, and evictions do.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EvalTools, modelFacts } from "../../../src/cli/eval/evalTools.ts";
import { Journal } from "../../../src/cli/eval/journal.ts";
import { meanOf } from "../../../src/cli/eval/report.ts";
import { runSuite } from "../../../src/cli/eval/runSuite.ts";
import { suites } from "../../../src/cli/eval/suites/index.ts";
import { Engine } from "../../../src/engine/engine.ts";
import { openModelOnGpu } from "../../../src/engine/openModel.ts";
import { useGpu } from "../../support/gpu.ts";
import { pilotPath } from "../../support/pilot.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { writeMadeUpData } from "./madeUpData.ts";

describe("quality suites through the engine", function () {
  this.timeout(300_000);
  // Skips by name where there is no adapter.
  useGpu();
  const folder = useTemporaryFolder();
  let engine: Engine;
  before(() => {
    writeMadeUpData(folder());
    engine = new Engine({ openModel: openModelOnGpu });
  });
  after(() => engine.dispose());

  async function run(id: string, methods: readonly string[]) {
    const suite = suites[id] ?? assert.fail(`there is no suite ${id}`);
    const file = join(folder(), "own.txt");
    const lines = Array.from({ length: 120 }, (_, i) => `The boat ${i} lay at pier ${i % 7}.`);
    writeFileSync(file, lines.join(" "));
    const scratch = join(folder(), id);
    mkdirSync(scratch);
    const tools = new EvalTools({
      ...{ engine, work: { observer: {}, signal: new AbortController().signal } },
      ...{
        model: await modelFacts(pilotPath),
        settings: { model: pilotPath },
        seed: 1,
        numCases: 1,
      },
      ...{ dataFolder: folder(), folder: scratch, lengths: ["256"], depths: [50], file },
    });
    const journal = await Journal.open(join(folder(), `${id}.jsonl`));
    const only = new Map([["method", methods]]);
    const records = await runSuite(suite, { tools, journal, observer: {}, only });
    return (method: string, metric: string) =>
      meanOf(
        records.filter((record) => record.method === method),
        metric,
      ) ?? assert.fail(`${method} has no ${metric}`);
  }

  it("find no divergence of the full cache from itself, little in eight bits, more with evictions", async () => {
    const mean = await run("fidelity", ["given", "q8_0/q8_0", "streaming-llm"]);
    assert.ok(Math.abs(mean("given", "kl")) < 1e-6, `${mean("given", "kl")}`);
    assert.equal(mean("given", "agreement"), 1);
    const [types, policy] = [mean("q8_0/q8_0", "kl"), mean("streaming-llm", "kl")];
    assert.ok(types > 0 && types < 0.02, `${types}`);
    assert.ok(policy > types, `${policy} against ${types}`);
  });
});
