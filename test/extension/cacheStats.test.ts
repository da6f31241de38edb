// The page of cache stats, as HTML.

import assert from "node:assert/strict";
import { bytes, cacheStatsHtml } from "../../src/extension/cacheStats.ts";
import type { EngineSnapshot } from "../../src/protocol.ts";

const t = (message: string, ...args: string[]) =>
  message.replace(/\{(\d)\}/g, (_, index: string) => args[Number(index)] ?? "");

const snapshot: EngineSnapshot = {
  status: { state: "idle" },
  node: { executable: "/ext/bin/node", version: "v24.21.0" },
  pid: 42,
  uptimeMs: 61_000,
  hostBytes: 123_456_789,
  gpuBytes: { weights: 11_000_000, "<script>": 1 },
  clients: 2,
};

describe("cache stats page", () => {
  it("escapes whatever the engine says", () => {
    const html = cacheStatsHtml(snapshot, t);
    assert.doesNotMatch(html, /<script>/);
    assert.match(html, /&lt;script&gt;/);
  });

  it("shows bytes by purpose, process and windows before any question", () => {
    const html = cacheStatsHtml(snapshot, t);
    for (const part of ["11.0 MB", "123 MB", "/ext/bin/node", "1 min 1 s", "Ask a question"]) {
      assert.ok(html.includes(part), part);
    }
  });

  it("writes bytes in the unit that fits", () => {
    const values = [0, 999, 1000, 65_536, 1_500_000, 999_999_999, 2.5e12];
    const texts = ["0 bytes", "999 bytes", "1.0 kB", "65.5 kB", "1.5 MB", "1000 MB", "2500 GB"];
    assert.deepEqual(values.map(bytes), texts);
  });
});
