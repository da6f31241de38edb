// A run that is killed goes on where it was: with the real command line and a real kill.

import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Journal } from "../../../src/cli/eval/journal.ts";
import { buildCli, lectern } from "../../support/runCli.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { writeMadeUpData } from "./madeUpData.ts";

const NUM_CASES = 24;

describe("the journal of an evaluation", function () {
  this.timeout(120_000);
  const folder = useTemporaryFolder();
  before(buildCli);

  function run(out: string, onStart?: Parameters<typeof lectern>[1]) {
    const only = ["--only", "method=search"];
    return lectern(
      [
        "eval",
        "squad",
        "--cases",
        `${NUM_CASES}`,
        ...only,
        "--data",
        folder(),
        "--out",
        out,
        "--json",
      ],
      onStart,
    );
  }

  function journalIn(out: string): string | undefined {
    const name = existsSync(out)
      ? readdirSync(out).find((file) => file.endsWith(".jsonl"))
      : undefined;
    return name === undefined ? undefined : join(out, name);
  }

  it("keeps what was done before kill -9, and nothing of it is done again", async () => {
    writeMadeUpData(folder());
    const out = join(folder(), "killed");
    const { status } = await run(out, {
      onStart: (child) => {
        const timer = setInterval(() => {
          const path = journalIn(out);
          const lines = path === undefined ? 0 : readFileSync(path, "utf8").split("\n").length - 1;
          if (lines >= 3) child.kill("SIGKILL");
        }, 2);
        child.on("close", () => clearInterval(timer));
      },
    });
    assert.equal(status, null, "it was to be killed before its end");
    const path = journalIn(out) ?? assert.fail("there is no journal");
    const before = readFileSync(path, "utf8");
    const numDone = before.split("\n").length - 1;
    assert.ok(numDone >= 3 && numDone < 3 * NUM_CASES, `${numDone} cases`);
    assert.equal(existsSync(join(out, "squad.json")), false);
    // As if the kill had come in the middle of a line.
    appendFileSync(path, '{"id":"torn');

    const again = await run(out);
    assert.equal(again.status, 0, again.stderr);
    const after = readFileSync(path, "utf8");
    assert.ok(after.startsWith(before), "the lines that were there stay as they are");
    const ids = after
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).id);
    assert.equal(ids.length, 3 * NUM_CASES);
    assert.equal(new Set(ids).size, ids.length, "no case twice");
    const result = JSON.parse(again.stdout);
    assert.equal(result.cases, ids.length);

    const whole = JSON.parse((await run(join(folder(), "whole"))).stdout);
    assert.deepEqual(result.tables, whole.tables, "interrupted or not, the tables are the same");
  });

  it("drops a line that was torn off and goes on behind the last whole one", async () => {
    const path = join(folder(), "torn.jsonl");
    const record = {
      id: "a",
      method: "m",
      cell: { number: 1 },
      scores: { right: 1 },
      ms: 1,
      processorMs: 1,
    };
    appendFileSync(path, `${JSON.stringify(record)}\n{"id":"b","me`);
    const journal = await Journal.open(path);
    assert.deepEqual(journal.get("a"), record);
    assert.equal(journal.get("b"), undefined);
    await journal.add({ ...record, id: "c" });
    const reopened = await Journal.open(path);
    assert.deepEqual([reopened.get("a")?.id, reopened.get("c")?.id], ["a", "c"]);
  });
});
