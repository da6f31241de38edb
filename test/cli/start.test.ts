import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { inspectModel } from "../../src/engine/model/models.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import { skip } from "../support/skip.ts";
import { repositoryRoot } from "../support/testData.ts";

describe("npm start", () => {
  it("answers a question about this repository with a verified citation", async function () {
    if (process.env.LECTERN_TEST_GPU === "0") skip(this, "LECTERN_TEST_GPU is 0");
    const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/start.mjs"], {
      cwd: repositoryRoot,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^\S.*\n/);
    assert.match(stdout, /✓ quote found +\S+\.md:\d+/);
    const { numParameters } = await inspectModel(embeddedModelPath());
    assert.ok(stdout.includes(numParameters.toLocaleString("en")), stdout);
    assert.match(stderr, /asking about this repository/);
  });
});
