// What `lectern eval` promises scripts: exit statuses, one line for what went wrong, one JSON object.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { suites } from "../../../src/cli/eval/suites/index.ts";
import { buildCli, lectern } from "../../support/runCli.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { writeMadeUpData } from "./madeUpData.ts";

describe("lectern eval", function () {
  this.timeout(120_000);
  const folder = useTemporaryFolder();
  before(() => {
    buildCli();
    writeMadeUpData(folder());
  });

  for (const [name, args, message] of [
    ["no suite", [], /SUITE \[FILE\] is missing/],
    [
      "an unknown suite",
      ["needles"],
      /no suite "needles" \(did you mean needle\?\): one of needle,/,
    ],
    ["a length that is none", ["needle", "--lengths", "2y"], /--lengths needs tokens .*got "2y"/],
    [
      "a length beyond the text",
      ["needle", "--lengths", "256,1000000000", "--cases", "1"],
      /--lengths may be at most \d{5} tokens, all of the text, got "1000000000"/,
    ],
    [
      "a length beyond reason",
      ["words", "--lengths", "1000000000", "--cases", "1"],
      /--lengths may be at most 16777216 tokens, got "1000000000"/,
    ],
    ["a depth beyond the text", ["needle", "--depths", "0,150"], /--depths needs .*got "0,150"/],
    [
      "a condition that no case meets",
      ["citation", "--only", "method=ask,x", "--only", "kind=y"],
      /no case is of --only method=ask,x --only kind=y: keys are method, question,/,
    ],
    ["a file where none is read", ["needle", "book.txt"], /needle takes no FILE, got "book.txt"/],
    ["a condition that is none", ["needle", "--only", "ask"], /--only needs KEY=ID,…, got "ask"/],
  ] as const) {
    it(`ends with status 2 and one line for ${name}`, async () => {
      const { status, stdout, stderr } = await lectern(["eval", ...args, "--data", folder()]);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, message);
      assert.match(stderr, /^lectern: [^\n]+\n$/);
    });
  }

  it("ends with status 1 and one line where the data is missing", async () => {
    const nowhere = join(folder(), "nowhere");
    const { status, stdout, stderr } = await lectern(["eval", "squad", "--data", nowhere]);
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^lectern: squad\/squad-v1\.1-a\.json is missing in [^\n]+--data\.\n$/);
  });

  it("prints score, cases, settings and seed as JSON, and writes what it found", async () => {
    const out = join(folder(), "out");
    const args = ["eval", "citation", "--cases", "2", "--only", "method=search", "--seed", "7"];
    const { status, stdout, stderr } = await lectern([
      ...args,
      "--data",
      folder(),
      "--out",
      out,
      "--json",
    ]);
    assert.equal(status, 0, stderr);
    const result = JSON.parse(stdout);
    assert.equal(result.suite, "citation");
    assert.equal(result.seed, 7);
    assert.equal(result.cases, 2 * 3);
    assert.deepEqual(result.settings, {});
    assert.equal(result.command, `npx lectern ${args.join(" ")}`);
    assert.equal(result.tables[0].rows.length, 3);
    assert.ok(existsSync(join(out, "citation.json")) && existsSync(join(out, "citation.md")));
    assert.equal(readdirSync(out).filter((file) => file.endsWith(".jsonl")).length, 1);
  });

  it("lists every suite in its help", async () => {
    const { stdout } = await lectern(["eval", "--help"]);
    for (const id of Object.keys(suites)) assert.match(stdout, new RegExp(`\\b${id}\\b`));
  });
});
