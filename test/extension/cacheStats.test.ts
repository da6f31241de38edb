// The page of cache stats, as HTML.

import assert from "node:assert/strict";
import { cacheStatsErrorHtml, cacheStatsHtml } from "../../src/extension/cacheStats.ts";
import { bytes } from "../../src/extension/html.ts";
import type { CacheMap, CacheStats, EngineSnapshot } from "../../src/protocol.ts";

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

const place = (label: string, startLine: number, endLine: number) => ({
  place: { path: `/w/${label}`, label, startLine, endLine },
});
const map: CacheMap = {
  ...{ document: "<b>", policy: "h2o", tokens: 40 },
  bins: [
    { firstToken: 0, numTokens: 10, kept: 1 },
    { firstToken: 10, numTokens: 10, kept: 0.5, ...place("a.txt", 1, 4) },
    { firstToken: 20, numTokens: 10, kept: 0, ...place("a.txt", 4, 9) },
    { firstToken: 30, numTokens: 10, kept: 0.25, ...place("b.txt", 1, 1) },
  ],
  keptByLayer: [
    [1, 1, 0, 0],
    [1, 0, 0, 0.5],
  ],
  attentionByLayer: [
    [0.9, 0.1, 0, 0],
    [1, 0, 0, 0],
  ],
};

describe("cache stats page", () => {
  it("says why there are no figures, and what to do", () => {
    const html = cacheStatsErrorHtml("No Node at <there>.", t);
    assert.match(html, /role="alert">No Node at &lt;there&gt;\.</);
    assert.match(html, /href="command:lectern\.showCacheStats"/);
    assert.match(html, /href="command:lectern\.showLog"/);
  });

  it("draws which parts of a text are in memory, and says it in words", () => {
    const html = cacheStatsHtml({ snapshot, map }, t);
    assert.doesNotMatch(html, /<b>|style=/);
    assert.match(html, /18 of 40 tokens are in memory \(44 %\), policy h2o/);
    assert.match(html, /<title>a\.txt:1–4: 50 % kept<\/title>/);
    assert.match(html, /<title>the prompt's own words: 100 % kept<\/title>/);
    assert.match(html, />a\.txt<\/th><td>lines 1–9: 5 of 20 tokens</);
    assert.match(html, />b\.txt<\/th><td>lines 1–1: 3 of 10 tokens</);
    assert.match(html, /a\.txt:1<\/span><span>b\.txt:1</);
    const pictures = html.split("<svg").slice(1);
    assert.equal(pictures.length, 3);
    for (const picture of pictures) assert.match(picture, /role="img" aria-label="\w/);
    const shapes = (picture = "") =>
      [...picture.matchAll(/fill-opacity="([\d.]+)" d="(.+?)"/g)].map(([, share, path]) => [
        Number(share),
        path,
      ]);
    // A layer's equal neighbours are one shape; what was evicted is none.
    assert.deepEqual(shapes(pictures[1]), [
      [1, "M0 0h480v13h-480zM0 14h240v13h-240z"],
      [0.5, "M720 14h240v13h-240z"],
    ]);
    assert.deepEqual(shapes(pictures[2]), [
      [1, "M0 0h240v13h-240zM0 14h240v13h-240z"],
      // The cube root of a ninth.
      [0.5, "M240 0h240v13h-240z"],
    ]);
  });

  it("says how far the cache is from the full one, and how much is saved", () => {
    const cache: CacheStats = {
      ...{
        policy: "h2o",
        typeK: "f16",
        typeV: "q4_0",
        bytes: 5e6,
        bytesPerToken: 4704,
        budget: 64,
        positionScheme: "original",
        ropeScaling: "yarn",
      },
      ...{ tokensRead: 1000, tokensKept: 64, tokensEvicted: 936 },
      tokensKeptPerHead: [
        [64, 64],
        [64, 64],
      ],
      bytesByPlace: { gpu: 5e6, host: 0, disk: 3e6 },
      restored: { tokens: 1000, bitIdentical: true },
      recall: {
        ...{ limit: 32, pageTokens: 16, pages: 60, tokens: 936, recalled: 32 },
        bytes: { gpu: 1, host: 2, disk: 3 },
      },
    };
    const measured = { predictions: 256, topAgreement: 0.875, meanKl: 0.0123, maxKl: 1.5 };
    const fidelity = { document: "a.txt", cache, full: cache, ...measured, skipped: [] };
    const counts = { lookups: 4, hits: 1, partialHits: 1, hitRate: 0.5 };
    const disk = { ...counts, tokensRequested: 9, tokensRestored: 4, days: [] };
    const bytes = { bytes: 3e6, gpuBytes: 0, hostBytes: 0 };
    const info = { document: "a.txt", model: "m", policy: "h2o", ...bytes };
    const dated = { lastUsed: "2026-01-01T00:00:00Z", path: "/c/1.kv" };
    const caches = Array.from({ length: 10 }, () => ({
      ...{ ...info, ...dated, tokensRead: 1000, tokensKept: 64 },
    }));
    const saved = { caches, folder: "/c", limitBytes: 60e6, disk };
    const html = cacheStatsHtml({ snapshot: { ...snapshot, cache }, map, saved, fidelity }, t);
    for (const part of [
      "88 % of the last 256 tokens",
      "0.0123 nat on average, 1.50 at most",
      "original, RoPE scaling yarn",
      "64 kept, 936 evicted in each of 2 layers × 2 heads",
      "5.0 MB on the GPU, 0 bytes in memory, 3.0 MB on disk",
      "936 evicted tokens in pages of 16; for a question up to 32, last 32",
      "1,000 tokens, bit for bit as they were read",
      "64 of 1,000 tokens, h2o, 3.0 MB",
      "2 more",
      "30.0 MB of at most 60.0 MB in /c",
      "2 of 4 times, 1 of them in part",
    ])
      assert.ok(html.includes(part), `${part} is missing`);
    const ragged = {
      ...cache,
      tokensKeptPerHead: [
        [60, 68],
        [64, 64],
      ],
    };
    const uneven = cacheStatsHtml({ snapshot: { ...snapshot, cache: ragged } }, t);
    assert.match(uneven, /kept in layer 0: 60–68, 1: 64/);
  });

  it("escapes whatever the engine says", () => {
    const html = cacheStatsHtml({ snapshot }, t);
    assert.doesNotMatch(html, /<script>/);
    assert.match(html, /&lt;script&gt;/);
  });

  it("shows bytes by purpose, process and windows before any question", () => {
    const html = cacheStatsHtml({ snapshot }, t);
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
