// A model's cache, saved and restored: as if the model had never stopped, whole or in part, with the parts that belong to it.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CacheKeeper, Captured } from "../../../src/engine/cache/cacheKeeper.ts";
import type { Section } from "../../../src/engine/cache/sectionFile.ts";
import { type FoundSnapshot, SnapshotStore } from "../../../src/engine/cache/snapshotStore.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import type { RunStats } from "../../../src/protocol.ts";
import { assertClose } from "../../support/close.ts";
import { randomPrompt } from "../../support/randomModel.ts";
import { RANDOM_VOCABULARY_SIZE } from "../../support/randomModelMetadata.ts";
import { useRandomModels } from "../../support/randomModels.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { factsOf } from "./support/savedCaches.ts";

describe("a model's cache, saved and restored", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const folder = useTemporaryFolder();
  const { loadKept: load } = useRandomModels(folder);

  async function continued(model: LanguageModel, prompt: readonly number[], maxTokens: number) {
    const tokens: number[] = [];
    for await (const { token } of model.generate({ prompt, maxTokens, ignoreEnd: true }))
      if (token !== undefined) tokens.push(token);
    return tokens;
  }

  /** Save the cache and hand it to `use` as it is found on disk. */
  async function throughFile<T>(
    keeper: CacheKeeper,
    use: (found: FoundSnapshot) => Promise<T | undefined>,
    { device = keeper.device, name = "store" } = {},
  ): Promise<T> {
    const store = new SnapshotStore(join(folder(), name));
    const captured = keeper.capture();
    const { tokens } = captured.state;
    const { identity } = keeper;
    await store.save({ facts: { ...factsOf(identity), device }, ...captured });
    const result = await store.withLongest({ identity, tokens }, use);
    assert.ok(result, "a miss");
    return result;
  }

  /** The logits behind every token of `prompt` that the cache does not hold. */
  async function logitsOf(keeper: CacheKeeper, prompt: readonly number[]): Promise<number[][]> {
    const all: number[][] = [];
    await keeper.readLogits(prompt, (_first, logits) => all.push([...logits]));
    return all;
  }

  const bounded = { cacheBudget: 48, cacheSinks: 4, chunkLength: 32 };
  const q8 = { cacheTypeK: "q8_0", cacheTypeV: "q8_0" };
  for (const [name, settings] of [
    ["full", {}],
    ["full in q8_0", q8],
    ["streaming-llm", { ...bounded, cachePolicy: "streaming-llm" }],
    ["h2o", { ...bounded, cachePolicy: "h2o" }],
    [
      "h2o with positions in the cache",
      { ...bounded, cachePolicy: "h2o", positionScheme: "in-cache" },
    ],
    ["h2o by a sample of queries", { ...bounded, cachePolicy: "h2o", cacheQueryStride: 4 }],
    ["tova", { ...bounded, cachePolicy: "tova" }],
    ["snapkv in q8_0", { ...bounded, ...q8, cachePolicy: "snapkv" }],
  ] as const)
    it(`goes on bit for bit as if it had never stopped: ${name}`, async () => {
      const prefix = randomPrompt(150);
      const prompt = [...prefix, ...randomPrompt(16, 9)];
      const one = await load(settings);
      await one.keeper.read(prefix, {});
      const other = await load(settings);
      // What it held before must not matter.
      await continued(other.model, randomPrompt(90, 4), 5);
      const stats = await throughFile(one.keeper, (found) => other.keeper.restore(found));
      assert.equal(stats.cache.tokensRead, 150);
      assert.equal(stats.cache.tokensKept, name.startsWith("full") ? 150 : 48);
      assert.deepEqual(stats.cache.restored, { tokens: 150, bitIdentical: true });
      assert.deepEqual(await bytesOf(other.keeper.capture()), await bytesOf(one.keeper.capture()));
      assert.deepEqual(await logitsOf(other.keeper, prompt), await logitsOf(one.keeper, prompt));
      assert.deepEqual(await bytesOf(other.keeper.capture()), await bytesOf(one.keeper.capture()));
      assert.equal(other.model.cacheStats().restored?.tokens, 150, "as long as it is held");
      const more = [...prompt, ...randomPrompt(1, 5)];
      assert.deepEqual(
        await continued(other.model, more, 10),
        await continued(one.model, more, 10),
      );
      other.keeper.pin();
      await other.keeper.read(prefix, {});
      assert.equal(other.model.cacheStats().restored, undefined);
    });

  it("goes on bit for bit from the first blocks of a longer text, where a chunk ends", async () => {
    const tokens = randomPrompt(300);
    const one = await load({ chunkLength: 64 });
    await one.keeper.read(tokens, {});
    const store = new SnapshotStore(join(folder(), "blocks"));
    const { identity } = one.keeper;
    await store.save({
      facts: { ...factsOf(identity), device: one.keeper.device },
      ...one.keeper.capture(),
    });
    for (const shared of [200, 256]) {
      // Whole tiles of 16 tokens, wherever the measured speed cuts the passes.
      const prompt = [...tokens.slice(0, shared), ...randomPrompt(400 - shared, 7)];
      const blocks = Math.floor(shared / 64) * 64;
      const key = { identity, tokens: prompt, sharesBlocks: one.keeper.sharesBlocks };
      const other = await load({ chunkLength: 64 });
      const stats = await store.withLongest(key, (found) => other.keeper.restore(found));
      assert.equal(stats?.cache.tokensRead, blocks);
      assert.deepEqual(stats.cache.restored, { tokens: blocks, bitIdentical: true });
      const fresh = await load({ chunkLength: 64 });
      const before = await logitsOf(fresh.keeper, prompt);
      const after = await logitsOf(other.keeper, prompt);
      assert.deepEqual(after.flat(), before.flat().slice(-after.flat().length));
    }
  });

  it("says that bits may differ on another device, or where no chunk ends; within 1e-3 nat", async () => {
    const tokens = randomPrompt(200);
    const one = await load({ chunkLength: 48 });
    await one.keeper.read(tokens, {});
    const restored = await throughFile(one.keeper, (found) => one.keeper.restore(found), {
      device: "another driver",
    });
    assert.deepEqual(restored.cache.restored, { tokens: 200, bitIdentical: false });
    const store = new SnapshotStore(join(folder(), "store"));
    const key = { identity: one.keeper.identity, tokens: tokens.slice(0, 130), sharesBlocks: true };
    const part = await store.withLongest(key, (found) => one.keeper.restore(found));
    assert.deepEqual(part?.cache.restored, { tokens: 128, bitIdentical: false });
    const after = (await logitsOf(one.keeper, key.tokens)).flat();
    const fresh = await load({ chunkLength: 48 });
    const before = (await logitsOf(fresh.keeper, key.tokens)).flat().slice(-after.length);
    assert.ok(after.length > 0);
    assertClose(logProbabilities(after), logProbabilities(before), 1e-3);
  });

  it("is not restored in part under policies that evict, or scalings that follow the length", async () => {
    for (const settings of [
      { ...bounded, cachePolicy: "streaming-llm" },
      { ropeScaling: "dynamic-ntk", contextLength: 4096 },
    ]) {
      const { keeper } = await load(settings);
      assert.equal(keeper.sharesBlocks, false);
      await keeper.read(randomPrompt(200), {});
      const found = await throughFile(keeper, async (found) => ({
        part: await keeper.restore({ ...found, tokens: 128 }),
      }));
      assert.equal(found.part, undefined);
    }
    assert.equal((await load({ ropeScaling: "yarn", ropeFactor: 2 })).keeper.sharesBlocks, true);
  });

  it("is an empty cache when a row turns out to be damaged while it is restored", async () => {
    const { keeper, model } = await load({});
    await keeper.read(randomPrompt(100), {});
    const store = new SnapshotStore(join(folder(), "damaged"));
    const { identity } = keeper;
    const captured = keeper.capture();
    const { tokens } = captured.state;
    const { path } = await store.save({ facts: factsOf(identity), ...captured });
    const bytes = await readFile(path);
    const at = Math.floor(bytes.length / 2);
    bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
    await writeFile(path, bytes);
    let stats: RunStats | undefined;
    const result = await store.withLongest({ identity, tokens }, async (found) => {
      stats = await keeper.restore(found);
      return stats;
    });
    assert.equal(result, undefined);
    assert.equal(model.cacheStats().tokensRead, 0);
  });

  it("has an identity that tells settings and positions apart", async () => {
    const identities = [];
    for (const settings of [
      {},
      { cacheTypeK: "f32" },
      { chunkLength: 64 },
      { ropeScaling: "linear", ropeFactor: 2 },
      { prefillSparsity: "lambda" },
      { prefillSparsity: "lambda", prefillThreshold: 0.5 },
      { ...bounded, cachePolicy: "h2o" },
      { ...bounded, cachePolicy: "h2o", cacheBudget: 50 },
      { ...bounded, cachePolicy: "h2o", cacheQueryStride: 4 },
      { ...bounded, cachePolicy: "h2o", positionScheme: "in-cache" },
    ])
      identities.push(JSON.stringify((await load(settings)).keeper.identity));
    assert.equal(new Set(identities).size, identities.length);
  });

  it("does not take rows of another size", async () => {
    const { keeper } = await load({});
    await keeper.read(randomPrompt(20), {});
    const headLengths = [
      [19, 19],
      [20, 20],
    ];
    const found = await throughFile(
      keeper,
      async (found) => ({
        shorter: await keeper.restore({ ...found, state: { ...found.state, headLengths } }),
      }),
      { name: "sizes" },
    );
    assert.equal(found.shorter, undefined);
  });
});

/** Of rows of logits as long as the vocabulary. */
function logProbabilities(logits: readonly number[]): number[] {
  const rows = Array.from({ length: logits.length / RANDOM_VOCABULARY_SIZE }, (_, row) =>
    logits.slice(row * RANDOM_VOCABULARY_SIZE, (row + 1) * RANDOM_VOCABULARY_SIZE),
  );
  return rows.flatMap((row) => {
    const lse = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return row.map((logit) => logit - lse);
  });
}

/** Names and bytes of all that was captured. */
async function bytesOf({ state, sections }: Captured) {
  const bytes: [string, Buffer][] = [];
  for (const { name, pieces } of sections as readonly Section[]) {
    const read: Uint8Array[] = [];
    for await (const piece of pieces) read.push(piece);
    bytes.push([name, Buffer.concat(read)]);
  }
  return { state, bytes };
}
