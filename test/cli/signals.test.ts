import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { pilotPath } from "../support/pilot.ts";
import { buildCli, lectern } from "../support/runCli.ts";
import { skip } from "../support/skip.ts";
import { repositoryRoot } from "../support/testData.ts";

describe("lectern, interrupted", () => {
  before(buildCli);

  it("stops decoding at the first Ctrl-C and says so in one line, status 1", async function () {
    if (process.env.LECTERN_TEST_GPU === "0") skip(this, "LECTERN_TEST_GPU is 0");
    const args = ["generate", "--prompt", "Once upon a time", "--max-tokens", "900", "--verbose"];
    let isInterrupted = false;
    const { status, stderr } = await lectern(
      [...args, "--temperature", "2", "--model", pilotPath],
      {
        onStart: (child) => {
          // With the first text; the model would write for many seconds more.
          child.stdout?.once("data", () => {
            isInterrupted = child.kill("SIGINT");
          });
        },
      },
    );
    assert.ok(isInterrupted, "it ended before it was interrupted");
    assert.equal(status, 1);
    assert.match(stderr, /lectern: Stopped\.\n/);
  });

  it("ends quietly when its reader has seen enough", async () => {
    const cli = join(repositoryRoot, "dist/cli.mjs");
    const shell = spawn(
      "bash",
      ["-c", `set -o pipefail; "${process.execPath}" "${cli}" read src | head -n 1`],
      { cwd: repositoryRoot },
    );
    let stderr = "";
    shell.stderr.on("data", (chunk) => {
      stderr += String(chunk);
    });
    const status = await new Promise((resolve) => shell.on("close", resolve));
    assert.equal(stderr, "");
    assert.equal(status, 0);
  });
});
