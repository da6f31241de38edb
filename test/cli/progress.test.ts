import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { ProgressLine, progressText } from "../../src/cli/progress.ts";
import type { Progress } from "../../src/protocol.ts";

const prefill = (done: number): Progress => ({
  phase: "prefill",
  done,
  total: 8000,
  unit: "tokens",
});

/** Standard error that remembers; a terminal of 40 columns or a pipe. */
function fakeStream(isTerminal: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = "";
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  // ProgressLine uses nothing else of a terminal.
  const terminal = Object.assign(stream, { isTTY: isTerminal, columns: 40 });
  return { stream: terminal as unknown as NodeJS.WriteStream, text: () => text };
}

describe("progress", () => {
  it("tells what is done, how fast and how long it will take", () => {
    const text = progressText({ ...prefill(2000), ratePerSecond: 500 });
    assert.equal(text, "prefilling 2,000 of 8,000 tokens (25 %), 500 tokens/s, 12 s left");
  });

  it("claims no share and no end when the total is unknown", () => {
    const text = progressText({ phase: "read", done: 3, total: 0, unit: "files", detail: "a.ts" });
    assert.equal(text, "reading 3 files: a.ts");
  });

  it("rewrites one line on a terminal, no wider than it, and clears it", () => {
    const { stream, text } = fakeStream(true);
    let now = 0;
    const line = new ProgressLine(stream, { verbose: false, now: () => now });
    line.progress(prefill(0));
    now = 50;
    line.progress(prefill(1000));
    now = 1000;
    line.progress(prefill(4000));
    line.clear();
    assert.doesNotMatch(text(), /\n/);
    assert.doesNotMatch(text(), /1,000 of/, "an update within 100 ms is left out");
    assert.ok(text().includes("\r\x1b[Kprefilling 4,000 of 8,000 tokens"));
    const longest = Math.max(
      ...text()
        .split("\r\x1b[K")
        .map((part) => part.length),
    );
    assert.ok(longest < 40);
  });

  it("writes seldom where standard error is no terminal, and measures the rate itself", () => {
    const { stream, text } = fakeStream(false);
    let now = 0;
    const line = new ProgressLine(stream, { verbose: false, now: () => now });
    for (now = 0; now <= 6000; now += 1000) line.progress(prefill(now));
    assert.equal(text(), "prefilling 5,000 of 8,000 tokens (62 %), 1,000 tokens/s, 3 s left\n");
  });

  it("shows informative log lines only when asked to, warnings always", () => {
    const { stream, text } = fakeStream(false);
    const line = new ProgressLine(stream, { verbose: false });
    line.log("info", "quiet");
    line.log("warn", "heard");
    assert.equal(text(), "note: heard\n");
  });
});
