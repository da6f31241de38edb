// Numbers far too large or too small are refused in one line before anything is allocated for them.

import assert from "node:assert/strict";
import { pilotPath } from "../support/pilot.ts";
import { buildCli, lectern } from "../support/runCli.ts";
import { skip } from "../support/skip.ts";

describe("lectern, given numbers beyond reason", () => {
  before(buildCli);

  async function assertRefused(
    args: readonly string[],
    { status, message }: { status: 1 | 2; message: RegExp },
  ): Promise<void> {
    const result = await lectern([...args, "--model", pilotPath]);
    assert.equal(result.status, status, result.stderr);
    assert.equal(result.stdout, "");
    assert.match(result.stderr, message);
    assert.match(result.stderr, /^lectern: [^\n]+\n$/, "one line");
  }

  for (const [name, args, message] of [
    ["a prompt to bench", ["bench", "--prefill", "1e9"], /--prefill .* 16777216, got "1e9"/],
    ["tokens for bench", ["bench", "--decode", "999999999999"], /--decode .* 16777216, got/],
    ["a depth for bench", ["bench", "--depth", "0,999999999999"], /--depth .* 16777216, got/],
    ["cases", ["eval", "passkey", "--cases", "99999999999"], /--cases .* from 1 to 100000, got/],
    [
      "a context that no prompt fits into",
      ["generate", "--prompt", "a", "--context-length", "1"],
      /--context-length .* at least 2, got "1"/,
    ],
  ] as const) {
    it(`refuses ${name}`, () => assertRefused(args, { status: 2, message }));
  }

  it("says before it makes a prompt up that the cache has no room for it", async function () {
    if (process.env.LECTERN_TEST_GPU === "0") skip(this, "LECTERN_TEST_GPU is 0");
    const long = ["bench", "--repeat", "1", "--decode", "1", "--prefill"];
    await assertRefused([...long, "1,16000000"], {
      status: 1,
      message: /A cache of 16000001 tokens does not fit/,
    });
    await assertRefused([...long, "1,65", "--context-length", "64"], {
      status: 1,
      message: /66 tokens and the context 64/,
    });
  });
});
