// Pages off the GPU: found again byte for byte, in memory or in a file, and chosen as a plain sort would.

import assert from "node:assert/strict";
import { join } from "node:path";
import {
  choosePages,
  positionsIn,
  ranksOf,
} from "../../../../src/engine/cache/recall/choosePages.ts";
import { openPageFile } from "../../../../src/engine/cache/recall/pageFile.ts";
import {
  PAGE_TOKENS,
  pageLayout,
  pagesOf,
} from "../../../../src/engine/cache/recall/pageLayout.ts";
import { PageStore } from "../../../../src/engine/cache/recall/pageStore.ts";
import { UserError } from "../../../../src/engine/errors.ts";
import { random } from "../../../support/random.ts";
import { useTemporaryFolder } from "../../../support/temporaryFolder.ts";

const NUM_KV_HEADS = 3;
const LAYOUT = pageLayout({
  numKvHeads: NUM_KV_HEADS,
  headDim: 32,
  keyType: "q8_0",
  valueType: "q4_0",
});
/** Tokens of the evictions: whole pages, pages with a rest, a single token. */
const EVICTIONS = [2 * PAGE_TOKENS, PAGE_TOKENS + 7, 1, 3 * PAGE_TOKENS];

describe("pages of evicted tokens", () => {
  const folder = useTemporaryFolder();

  function blockOf(tokens: number, seed: number) {
    const next = random(seed);
    const bytes = Uint8Array.from(
      { length: pagesOf(tokens) * LAYOUT.pageBytes },
      () => 256 * next(),
    );
    return { end: 100 * (seed + 1), tokens, bytes };
  }

  /** Layer 1 gets other pages than layer 0, and one block less. */
  function filled(limitBytes: number): PageStore {
    const store = new PageStore(LAYOUT, {
      numLayers: 2,
      limitBytes,
      openFile: () => openPageFile(folder()),
    });
    for (const [i, tokens] of EVICTIONS.entries()) {
      store.add(0, blockOf(tokens, i));
      if (i > 0) store.add(1, blockOf(tokens + 1, i));
    }
    return store;
  }

  const total = EVICTIONS.reduce((sum, tokens) => sum + pagesOf(tokens), 0);

  for (const [where, limitBytes] of [
    ["memory", 1e9],
    ["a file", 0],
    ["both", 4 * LAYOUT.pageBytes],
  ] as const)
    it(`are read back as they were from ${where}`, async () => {
      const store = filled(limitBytes);
      assert.equal(store.numPages(0), total);
      assert.equal(
        store.tokens(0),
        EVICTIONS.reduce((a, b) => a + b),
      );
      for (const layer of [0, 1]) {
        let page = 0;
        for (const [i, count] of EVICTIONS.entries()) {
          if (layer > i) continue;
          const tokens = count + layer;
          const { bytes } = blockOf(tokens, i);
          for (let index = 0; index < pagesOf(tokens); index++, page++) {
            const held = Math.min(PAGE_TOKENS, tokens - index * PAGE_TOKENS);
            assert.equal(store.tokensIn(layer, page), held);
            const own = bytes.subarray(index * LAYOUT.pageBytes, (index + 1) * LAYOUT.pageBytes);
            assert.deepEqual(await store.read(layer, page), own);
          }
        }
        assert.equal(store.numPages(layer), page);
      }
      const { host, disk } = store.bytes;
      assert.equal(host + disk, (store.numPages(0) + store.numPages(1)) * LAYOUT.pageBytes);
      assert.ok(host <= limitBytes);
      assert.equal(disk > 0, limitBytes < 1e9);
      await assert.rejects(store.read(0, total), /no page/);
      store.dispose();
    });

  it("go back to what was dropped until some token", async () => {
    const store = filled(4 * LAYOUT.pageBytes);
    const last = store.blocks(0).at(-1)?.end ?? 0;
    const page = [...(await store.read(0, 3))];
    store.add(0, blockOf(40, 9));
    assert.equal(store.numPages(0), total + 2);
    store.dropBehind(last);
    assert.equal(store.numPages(0), total);
    store.add(0, blockOf(40, 9));
    assert.equal(store.numPages(0), total, "what arrives late is not wanted any more");
    store.reopen();
    store.add(0, blockOf(40, 9));
    assert.equal(store.numPages(0), total + 2);
    assert.deepEqual([...(await store.read(0, 3))], page);
    store.dropBehind(0);
    assert.deepEqual([store.numPages(0), store.tokens(1), store.bytes.host], [0, 0, 0]);
    store.dispose();
  });

  it("that cannot be written say why in one line", () => {
    const store = new PageStore(LAYOUT, {
      numLayers: 1,
      limitBytes: 0,
      openFile: () => openPageFile(join(folder(), "missing")),
    });
    assert.throws(
      () => store.add(0, blockOf(5, 1)),
      (error) => error instanceof UserError && /cannot be kept in .*missing/.test(error.message),
    );
  });

  it("are chosen by score, the lower page first where scores are equal, the last one cut", () => {
    const sizes = [4, 4, 2, 4, 4];
    const choose = (scores: number[], tokens: number) =>
      choosePages(scores, tokens, (page) => sizes[page] ?? 0);
    assert.deepEqual(choose([1, 5, 4, 5, 5], 9), [
      { page: 1, tokens: 4 },
      { page: 3, tokens: 4 },
      { page: 4, tokens: 1 },
    ]);
    assert.deepEqual(choose([0, 0, 9, 0, 0], 6), [
      { page: 0, tokens: 4 },
      { page: 2, tokens: 2 },
    ]);
    assert.equal(choose([3, 1, 2, 5, 4], 18).length, 5);
    assert.deepEqual(choose([3, 1], 0), []);
    assert.deepEqual(choose([-Infinity, Number.NEGATIVE_INFINITY, 0], 2), [{ page: 2, tokens: 2 }]);
  });

  it("are taken for the best sum of scores, on random pages", () => {
    const next = random(3);
    for (let round = 0; round < 20; round++) {
      const scores = Array.from({ length: 50 }, () => Math.floor(next() * 8) - 4);
      const count = 1 + Math.floor(next() * 49);
      const chosen = choosePages(scores, count * PAGE_TOKENS, () => PAGE_TOKENS);
      const sum = chosen.reduce((a, { page }) => a + (scores[page] ?? 0), 0);
      const best = [...scores].sort((a, b) => b - a).slice(0, count);
      assert.equal(chosen.length, count);
      assert.equal(
        sum,
        best.reduce((a, b) => a + b, 0),
      );
    }
  });

  it("give every token its rank among the kept and the recalled", () => {
    assert.deepEqual(
      [...ranksOf([0, 1, 50, 51, 60], [2, 3, 55, 20, 21])],
      [0, 1, 6, 7, 9, 2, 3, 8, 4, 5],
    );
    assert.deepEqual([...ranksOf([], [])], []);
    const record = new Uint8Array(LAYOUT.recordBytes);
    record.set(new Uint8Array(Uint32Array.of(7, 70_000, 9).buffer), LAYOUT.positionsAt);
    assert.deepEqual([...positionsIn(record, LAYOUT.positionsAt, 2)], [7, 70_000]);
    const fromFile = Buffer.concat([Buffer.alloc(3), record]).subarray(3);
    assert.deepEqual([...positionsIn(fromFile, LAYOUT.positionsAt, 2)], [7, 70_000]);
  });
});
