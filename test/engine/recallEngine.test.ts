// Evicted tokens that come back, end to end with a trained model: a fact that a small cache forgot is found again, also from
// disk, and beside passages.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cachePolicies } from "../../src/engine/cache/policies/index.ts";
import { Engine } from "../../src/engine/engine.ts";
import { openModelOnGpu } from "../../src/engine/openModel.ts";
import type { Observer } from "../../src/protocol.ts";
import { useGpu } from "../support/gpu.ts";
import { pilotPath } from "../support/pilot.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

const QUESTION = "What is the password of the harbour gate?";
const FACT = "The password of the harbour gate is cormorant.";
/** Of these no sentence answers the question; together about 1,200 tokens. */
const FILLER = Array.from(
  { length: 60 },
  (_, i) =>
    `House ${i} stands on the ${i % 2 ? "left" : "right"} side of the long road to the sea.`,
);
const SMALL = {
  model: pilotPath,
  cachePolicy: "streaming-llm",
  cacheBudget: 128,
  chunkLength: 128,
};

describe("recall in answers", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  // Skips the suite by name where there is no adapter.
  useGpu();
  const folder = useTemporaryFolder();
  const never = new AbortController().signal;
  let engine: Engine;
  let path = "";
  before(async () => {
    path = join(folder(), "houses.txt");
    await writeFile(path, [...FILLER.slice(0, 8), FACT, ...FILLER.slice(8)].join("\n\n"));
  });
  beforeEach(() => {
    engine = new Engine({ openModel: openModelOnGpu });
  });
  afterEach(() => engine.dispose());

  const ask = (more: object, observer: Observer = {}) =>
    engine.ask(
      { paths: [path], cacheDir: join(folder(), "caches"), question: QUESTION, ...SMALL, ...more },
      observer,
      never,
    );

  const ingest = (more: object) =>
    engine.ingest(
      { paths: [path], cacheDir: join(folder(), "caches"), ...SMALL, ...more },
      {},
      never,
    );

  it("finds in the cache alone what it evicted, and does not without", async () => {
    const without = await ask({ noRetrieval: true });
    assert.notEqual(without.answer, "cormorant");
    assert.equal(without.stats?.cache.recall, undefined);
    const answer = await ask({ noRetrieval: true, cacheRecall: 256 });
    assert.equal(answer.answer, "cormorant");
    assert.ok(answer.citations[0]?.verified);
    assert.equal(answer.coverage.tokensReread, 0);
    const recall = answer.stats?.cache.recall;
    assert.ok(recall);
    assert.equal(recall.recalled, 256);
    assert.equal(recall.tokens, answer.coverage.tokensTotal - SMALL.cacheBudget);
    assert.ok(recall.bytes.gpu > 0 && recall.bytes.host > 8 * recall.bytes.gpu);
    assert.equal(recall.bytes.disk, 0);
  });

  it("finds it again in a cache from disk, which pages are read from as they are wanted", async () => {
    const ingestion = await engine.ingest(
      { paths: [path], cacheDir: join(folder(), "caches"), ...SMALL, cacheRecall: 64 },
      {},
      never,
    );
    assert.equal(ingestion.restored, true, "how much comes back does not matter for what is saved");
    const answer = await ask({ noRetrieval: true, cacheRecall: 256 });
    assert.equal(answer.answer, "cormorant");
    assert.match(answer.notes?.[0] ?? "", /restored from disk/);
    const recall = answer.stats?.cache.recall;
    assert.equal(recall?.bytes.host, 0);
    assert.ok((recall?.bytes.disk ?? 0) > 0);
    assert.equal((await ask({ noRetrieval: true, cacheRecall: 256 })).answer, "cormorant");
  });

  it("reads the document anew when a saved page is damaged", async () => {
    const { path: saved } = await engine.ingest(
      { paths: [path], cacheDir: join(folder(), "caches"), ...SMALL, cacheRecall: 256 },
      {},
      never,
    );
    await engine.dispose();
    const bytes = await readFile(saved);
    // Pages are the last part in front of the index, which is about a hundredth of the file.
    for (let at = Math.floor(bytes.length * 0.6); at < bytes.length * 0.9; at += 2048)
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(saved, bytes);
    engine = new Engine({ openModel: openModelOnGpu });
    const logs: string[] = [];
    const observer: Observer = { log: (_, message) => logs.push(message) };
    const answer = await ask({ noRetrieval: true, cacheRecall: 256 }, observer);
    assert.equal(answer.answer, "cormorant");
    assert.match(logs.join("\n"), /damaged: reading the documents again/);
    assert.match(answer.notes?.[0] ?? "", /read just now/);
  });

  for (const [cachePolicy, policy] of Object.entries(cachePolicies))
    if ("records" in policy)
      it(`answers from passages and from the cache alone where the policy looks at attention: ${cachePolicy}`, async () => {
        const bounds = { cachePolicy, cacheAllocation: "uniform", positionScheme: "in-cache" };
        for (const more of [{ cacheRecall: 256 }, {}, { cacheRecall: 256, noRetrieval: true }]) {
          const { answer, partial, notes } = await ask({ ...bounds, ...more });
          assert.equal(partial, undefined, notes?.join(" "));
          // What a cache holds alone after so much was evicted is another question.
          if (!("noRetrieval" in more)) assert.equal(answer, "cormorant");
        }
      });

  it("counts no more tokens in the cache than the documents have", async () => {
    const roomy = { cacheBudget: 4096, contextLength: 8192, positionScheme: "in-cache" };
    const { coverage } = await ask({ ...roomy, cacheRecall: 256 });
    assert.equal(coverage.tokensInCache, coverage.tokensTotal);
  });

  it("is refused of a policy that keeps everything; where none is named, a text that fits is answered from passages alone", async () => {
    const short = join(folder(), "short.txt");
    await writeFile(short, [...FILLER.slice(0, 8), FACT].join("\n\n"));
    const free = { cachePolicy: undefined, cacheBudget: undefined, chunkLength: undefined };
    await assert.rejects(
      ask({ ...free, paths: [short], cachePolicy: "full", cacheRecall: 256 }),
      /^UserError: Cache policy full keeps every token.* has no cacheRecall: leave it out/,
    );
    const passages = await ask({ ...free, paths: [short], cacheRecall: 256 });
    assert.equal(passages.answer, "cormorant");
    assert.equal(passages.coverage.tokensInCache, 0);
    assert.match(passages.notes?.join(" ") ?? "", /kept whole: nothing is evicted/);
    // The cache alone answers from all of the text.
    const whole = await ask({ ...free, paths: [short], cacheRecall: 256, noRetrieval: true });
    assert.equal(whole.answer, "cormorant");
  });

  it("joins what the cache points to with what a search finds, and says which was which", async () => {
    const answer = await ask({ cacheRecall: 256 });
    assert.equal(answer.answer, "cormorant");
    const [citation] = answer.citations;
    assert.ok(citation?.verified);
    assert.ok(citation.evidence === "search" || citation.evidence === "both");
    const { tokensInCache, tokensTotal } = answer.coverage;
    const { tokensRead } = await ingest({ cacheRecall: 256 });
    assert.ok(tokensTotal < tokensRead, "passages are read under their headings");
    assert.equal(tokensInCache, Math.round((tokensTotal * SMALL.cacheBudget) / tokensRead));
    assert.ok(answer.coverage.tokensReread > 0);
    assert.match(
      answer.notes?.join(" ") ?? "",
      /cache was asked as well: .*brought most back from/,
    );
    const passagesAlone = await ask({ cacheRecall: 256, noCache: true });
    assert.equal(passagesAlone.coverage.tokensInCache, 0);
    assert.equal(passagesAlone.citations[0]?.evidence, undefined);
  });
});
