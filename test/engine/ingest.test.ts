// Reading documents into saved caches and asking the cache alone, with a trained model.

import assert from "node:assert/strict";
import { appendFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Engine } from "../../src/engine/engine.ts";
import { StoppedError, UserError } from "../../src/engine/errors.ts";
import { openModelOnGpu } from "../../src/engine/openModel.ts";
import type { Observer } from "../../src/protocol.ts";
import { useGpu } from "../support/gpu.ts";
import { PILOT_CONTEXT, pilotPath } from "../support/pilot.ts";
import { withSmallDisk } from "../support/smallDisk.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

const QUESTION = "What is the password of the harbour gate?";
const FACTS = [
  "The village of Harrow lies on the river Lenn. It has a mill, a church and an inn that is named the Grey Heron.",
  "The password of the harbour gate is cormorant. The harbour master changes it every spring.",
  "In 1874 the old bridge was built by the engineer Thomas Vale. It was painted green in 1903.",
  "The school was founded in 1921. Its first teacher was Anna Brown, who taught there for thirty years.",
];

/** Text that holds no fact. */
function housesOf(count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) =>
      `House ${i} stands on the ${i % 2 ? "left" : "right"} side of the long road to the sea.`,
  );
}

describe("reading into a saved cache", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  // Skips the suite by name where there is no adapter.
  useGpu();
  const folder = useTemporaryFolder();
  let engine: Engine;
  let path = "";
  let numFiles = 0;
  const never = new AbortController().signal;
  const cacheDir = () => join(folder(), "caches");
  const settings = () => ({ model: pilotPath, paths: [path], cacheDir: cacheDir() });
  const write = async (text: string) => {
    path = join(folder(), `facts-${numFiles++}.txt`);
    await writeFile(path, text);
  };
  beforeEach(() => {
    engine = new Engine({ openModel: openModelOnGpu });
  });
  afterEach(() => engine.dispose());

  /** Counts the tokens that are read. */
  function watch(): { observer: Observer; readonly tokens: () => number } {
    let most = 0;
    const observer: Observer = {
      progress: ({ phase, done }) => {
        if (phase === "prefill") most = Math.max(most, done);
      },
    };
    return { observer, tokens: () => most };
  }

  it("finds a fact in the cache alone, from disk, with its words checked against the text", async () => {
    await write(FACTS.join("\n\n"));
    const ingestion = await engine.ingest(settings(), {}, never);
    assert.equal(ingestion.document, path);
    assert.equal(ingestion.policy, "full");
    assert.equal(ingestion.restored, false);
    assert.ok(ingestion.tokensRead > 100 && ingestion.tokensKept === ingestion.tokensRead);
    assert.ok(ingestion.stats.prefillTokensPerSecond > 0);
    await engine.dispose();

    engine = new Engine({ openModel: openModelOnGpu });
    const params = { ...settings(), question: QUESTION, noRetrieval: true };
    for (let round = 0; round < 2; round++) {
      const answer = await engine.ask(params, {}, never);
      assert.equal(answer.answer, "cormorant");
      const [citation] = answer.citations;
      assert.ok(citation?.verified);
      assert.match(citation.quote, /cormorant/);
      assert.equal(citation.startLine, 3);
      assert.equal(answer.coverage.tokensInCache, ingestion.tokensKept);
      assert.equal(answer.coverage.tokensTotal, ingestion.tokensRead);
      assert.equal(answer.coverage.tokensReread, 0);
      assert.match(answer.notes?.[0] ?? "", round ? /still in memory/ : /restored from disk/);
    }
    const { cache } = await engine.snapshot();
    assert.equal(cache?.tokensRead, ingestion.tokensRead, "rolled back to what was saved");
    assert.equal((await engine.ingest(settings(), {}, never)).restored, true);

    const { caches } = await engine.savedCaches({ cacheDir: cacheDir() });
    const saved = caches.find((known) => known.path === ingestion.path);
    assert.equal(saved?.document, path);
    assert.equal(saved?.bytes, ingestion.bytes);
    assert.ok((saved?.gpuBytes ?? 0) > 0);
  });

  it("reads first where nothing is saved, and anew when a document or the settings changed", async () => {
    await write(FACTS.slice(1).join("\n\n"));
    const ask = async (more = {}) =>
      engine.ask({ ...settings(), ...more, question: QUESTION, noRetrieval: true }, {}, never);
    assert.match((await ask()).notes?.[0] ?? "", /read just now/);
    assert.match((await ask()).notes?.[0] ?? "", /still in memory/);
    assert.match((await ask({ cacheTypeK: "q4_0" })).notes?.[0] ?? "", /read just now/);
    await appendFile(path, "\n\nThe mill burned down in 1950.");
    const changed = await ask();
    assert.match(changed.notes?.[0] ?? "", /read just now/);
    assert.equal(changed.answer, "cormorant");
  });

  it("reads only what follows the part of a text that was saved before", async () => {
    await write([...housesOf(25), ...FACTS].join("\n\n"));
    const first = await engine.ingest(settings(), {}, never);
    await appendFile(path, "\n\nThe mill burned down in 1950. The inn was rebuilt by Ada Croft.");
    await engine.dispose();
    engine = new Engine({ openModel: openModelOnGpu });
    const second = await engine.ingest(settings(), {}, never);
    assert.equal(second.restored, false);
    const { restored } = second.stats.cache;
    assert.ok(restored && restored.tokens % 64 === 0 && restored.tokens > first.tokensRead / 2);
    assert.notEqual(second.path, first.path);
    const question = { question: "Who rebuilt the inn?", noRetrieval: true };
    const reused = await engine.ask({ ...settings(), ...question }, {}, never);
    const elsewhere = { ...settings(), cacheDir: join(folder(), "elsewhere") };
    const fresh = await engine.ask({ ...elsewhere, ...question }, {}, never);
    assert.equal(reused.answer, fresh.answer);
    const { disk } = await engine.savedCaches({ cacheDir: cacheDir() });
    assert.ok(disk.lookups >= 2 && disk.partialHits >= 1 && disk.hitRate > 0);
  });

  it("answers ten questions about what it read once", async () => {
    await write(FACTS.join("\n\n"));
    await engine.ingest(settings(), {}, never);
    for (let i = 0; i < 10; i++) {
      const question = i % 2 ? QUESTION : "Who built the old bridge?";
      const params = { ...settings(), question, noRetrieval: true };
      const { answer, notes, stats } = await engine.ask(params, {}, never);
      assert.match(notes?.[0] ?? "", /still in memory/);
      if (i % 2) assert.equal(answer, "cormorant");
      const numRead = ((stats?.prefillTokensPerSecond ?? 0) * (stats?.prefillMs ?? 0)) / 1000;
      assert.ok(numRead > 1 && numRead < 40, "the question alone is read");
    }
  });

  it("keeps a text of twice the model's context whole, at stretched positions", async () => {
    await write([...housesOf(60), ...FACTS].join("\n\n"));
    const ingestion = await engine.ingest(settings(), {}, never);
    assert.ok(ingestion.tokensRead > PILOT_CONTEXT);
    assert.equal(ingestion.policy, "full");
    assert.equal(ingestion.tokensKept, ingestion.tokensRead);
    assert.equal(ingestion.stats.cache.ropeScaling, "yarn");
    const question = { ...settings(), question: QUESTION, noRetrieval: true };
    assert.equal((await engine.ask(question, {}, never)).answer, "cormorant");
  });

  it("keeps a text longer than the model's context within a stated budget", async () => {
    await write([...housesOf(60), ...FACTS].join("\n\n"));
    const { observer, tokens } = watch();
    // As where it is so long that stretched positions do not do.
    const bounded = () => ({ ...settings(), ropeScaling: "none" });
    const ingestion = await engine.ingest(bounded(), observer, never);
    assert.equal(ingestion.policy, "streaming-llm");
    assert.equal(ingestion.stats.cache.ropeScaling, "none");
    assert.ok(ingestion.tokensRead > PILOT_CONTEXT);
    assert.equal(tokens(), ingestion.tokensRead);
    assert.equal(ingestion.tokensKept, ingestion.stats.cache.budget);
    assert.ok(ingestion.tokensKept <= PILOT_CONTEXT - 256);
    const { recall } = ingestion.stats.cache;
    assert.equal(recall?.tokens, ingestion.tokensRead - ingestion.tokensKept);
    assert.ok(recall.limit > 0 && recall.limit + ingestion.tokensKept < PILOT_CONTEXT);
    const question = { ...bounded(), question: QUESTION, noRetrieval: true };
    const first = await engine.ask(question, {}, never);
    const again = await engine.ask(question, {}, never);
    assert.equal(again.answer, first.answer, "the first question left no trace");
    assert.equal(first.coverage.tokensInCache, ingestion.tokensKept);
    assert.equal(first.coverage.tokensTotal, ingestion.tokensRead);
    for (const citation of first.citations.filter(({ verified }) => verified))
      assert.ok(first.answer !== "" && citation.quote.includes(first.answer));
  });

  it("maps what the cache holds over the documents, and forgets the map with the cache", async () => {
    await write([...housesOf(60), ...FACTS].join("\n\n"));
    assert.equal((await engine.cacheMap()).map, null);
    const bounds = { cachePolicy: "h2o", cacheBudget: 512, contextLength: 4096 };
    const recording = { ...settings(), ...bounds };
    const { stats, bytes } = await engine.ingest(recording, {}, never);
    const { map } = await engine.cacheMap();
    assert.ok(map);
    assert.deepEqual([map.document, map.policy], [path, "h2o"]);
    assert.equal(map.tokens, stats.cache.tokensRead);
    const numKept = map.bins.reduce((sum, { kept, numTokens }) => sum + kept * numTokens, 0);
    assert.ok(Math.abs(numKept - stats.cache.tokensKept) < 2, "as many as the stats say");
    assert.equal(map.bins.at(-1)?.kept, 1, "the end of the text");
    const lines = map.bins.flatMap(({ place }) => (place ? [place.endLine] : []));
    assert.deepEqual([lines.length > 200, lines.at(-1)], [true, 2 * 64 - 1]);
    assert.equal(map.attentionByLayer?.length, stats.cache.tokensKeptPerHead?.length);
    const { bytesByPlace, diskHitRate } = stats.cache;
    assert.ok(bytesByPlace && bytesByPlace.gpu > 0);
    assert.equal(bytesByPlace.disk, bytes);
    assert.ok(diskHitRate !== undefined && diskHitRate < 1);
    // Questions leave a copy of what they evict from; it is counted.
    const asked = await engine.ask(
      { ...recording, question: QUESTION, noRetrieval: true },
      {},
      never,
    );
    const purposes = asked.stats?.cache.bytesByPurpose ?? {};
    assert.ok((purposes.trunk ?? 0) > 0);
    const sum = Object.values(purposes).reduce((a, b) => a + b, 0);
    assert.equal(asked.stats?.cache.bytes, sum);
    assert.equal(asked.stats?.cache.bytesByPlace?.gpu, sum);
    // An answer from passages needs the room.
    await engine.ask({ ...settings(), question: QUESTION }, {}, never);
    assert.equal((await engine.cacheMap()).map, null);
  });

  it("says how far a cache is from the full one on the user's own text", async () => {
    await write([...housesOf(20), ...FACTS].join("\n\n"));
    const whole = { cachePolicy: "full", cacheTypeK: "f16", cacheTypeV: "f16" };
    const same = await engine.fidelity({ ...settings(), ...whole }, {}, never);
    assert.equal(same.document, path);
    assert.equal(same.topAgreement, 1);
    // Passes are cut by the measured speed, and other lengths round differently.
    assert.ok(same.maxKl < 1e-6, `${same.maxKl}`);
    assert.ok(same.predictions > 50);
    const bounded = { cachePolicy: "streaming-llm", cacheBudget: 64, chunkLength: 64 };
    const far = await engine.fidelity({ ...settings(), ...bounded }, {}, never);
    assert.equal(far.predictions, same.predictions);
    assert.ok(far.topAgreement < 1 && far.meanKl > 1e-3 && far.maxKl >= far.meanKl);
    assert.ok(far.cache.tokensKept < far.full.tokensKept);
  });

  it("leaves nothing behind when it is stopped", async () => {
    await write(FACTS.join("\n\n").repeat(20));
    const stop = new AbortController();
    const observer: Observer = {
      progress: ({ phase }) => {
        if (phase === "prefill") stop.abort();
      },
    };
    const cacheDir = join(folder(), "stopped");
    await assert.rejects(
      engine.ingest({ ...settings(), cacheDir }, observer, stop.signal),
      StoppedError,
    );
    const left = await readdir(cacheDir).catch(() => []);
    assert.deepEqual(
      left.filter((name) => name !== "digests.json" && !/^lookups-.*log$/.test(name)),
      [],
    );
  });

  it("answers all the same where it cannot save, and says why", async () => {
    await write(FACTS.join("\n\n"));
    const cacheDir = join(folder(), "a-file");
    await writeFile(cacheDir, "not a folder");
    const params = { ...settings(), cacheDir };
    await assert.rejects(
      engine.ingest(params, {}, never),
      (error) => error instanceof UserError && /cannot be saved in .*a-file/.test(error.message),
    );
    const answer = await engine.ask(
      { ...params, question: QUESTION, noRetrieval: true },
      {},
      never,
    );
    assert.equal(answer.answer, "cormorant");
    assert.ok(answer.notes?.some((note) => /cannot be saved/.test(note)));
  });

  it("answers all the same when the disk is full in the middle of saving, and says so in one line", async function () {
    await write(FACTS.join("\n\n"));
    await withSmallDisk(this, { parent: folder(), kilobytes: 64 }, async (disk) => {
      const params = { ...settings(), cacheDir: join(disk, "caches"), question: QUESTION };
      const { answer, notes, stats } = await engine.ask(
        { ...params, noRetrieval: true },
        {},
        never,
      );
      assert.equal(answer, "cormorant");
      const [full, ...others] = notes?.filter((note) => /ENOSPC/.test(note)) ?? [];
      assert.deepEqual(others, []);
      assert.match(full ?? "", /^The cache cannot be saved in [^\n]+--cache-dir\.$/);
      assert.equal(stats?.cache.bytesByPlace?.disk, 0);
      const left = await readdir(join(disk, "caches"));
      assert.deepEqual(
        left.filter((name) => /kv|part/.test(name)),
        [],
      );
    });
  });

  it("reports no tokens in the cache for an answer from passages", async () => {
    await write(FACTS.join("\n\n"));
    const answer = await engine.ask({ ...settings(), question: QUESTION }, {}, never);
    assert.equal(answer.coverage.tokensInCache, 0);
  });
});
