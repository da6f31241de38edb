// `ingest`, `ask --no-retrieval` and `stats` as scripts use them.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pilotPath } from "../support/pilot.ts";
import { buildCli, lectern } from "../support/runCli.ts";
import { skip } from "../support/skip.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

const noAdapter = {
  VK_DRIVER_FILES: "/nonexistent.json",
  VK_ICD_FILENAMES: "/nonexistent.json",
  LECTERN_BUNDLED_DRIVER: "0",
};

describe("lectern, with saved caches", function () {
  this.timeout(300_000);
  before(buildCli);
  const folder = useTemporaryFolder();

  it("reads once, answers from the cache in another process, and lists what is saved", async function () {
    const path = join(folder(), "facts.txt");
    writeFileSync(path, "The password of the harbour gate is cormorant. Boats are red.\n");
    const cache = ["--cache-dir", join(folder(), "caches"), "--json"];
    const ingested = await lectern(["ingest", path, "--model", pilotPath, ...cache]);
    if (/No GPU adapter/.test(ingested.stderr)) skip(this, ingested.stderr);
    assert.equal(ingested.status, 0, ingested.stderr);
    const ingestion = JSON.parse(ingested.stdout);
    assert.equal(ingestion.document, path);
    assert.equal(ingestion.tokensKept, ingestion.tokensRead);

    const question = ["-q", "What is the password of the harbour gate?", "--no-retrieval"];
    const asked = await lectern(["ask", path, "--model", pilotPath, ...question, ...cache]);
    assert.equal(asked.status, 0, asked.stderr);
    const answer = JSON.parse(asked.stdout);
    assert.equal(answer.answer, "cormorant");
    assert.equal(answer.citations[0].verified, true);
    assert.equal(answer.coverage.tokensInCache, ingestion.tokensKept);

    const listed = await lectern(["stats", ...cache], { env: noAdapter });
    const [saved, ...others] = JSON.parse(listed.stdout).caches;
    assert.deepEqual(others, []);
    for (const name of ["document", "tokensRead", "tokensKept", "policy", "bytes", "path"])
      assert.equal(saved[name], ingestion[name], name);
    assert.equal(saved.gpuBytes, 0);
    const table = await lectern(["stats", ...cache.slice(0, 2)]);
    assert.match(table.stdout, /^document .*\n.*facts\.txt .* full /);
    assert.match(table.stdout, /found 1 times whole, 0 in part \(50 %\)/);
    const { disk } = JSON.parse(listed.stdout);
    assert.deepEqual([disk.lookups, disk.hits, disk.hitRate], [2, 1, 0.5]);
    assert.deepEqual(answer.stats.cache.restored, {
      tokens: ingestion.tokensKept,
      bitIdentical: true,
    });
  });

  it("says how to make a cache where none is saved", async () => {
    const { status, stdout } = await lectern(["stats", "--cache-dir", join(folder(), "none")]);
    assert.equal(status, 0);
    assert.match(stdout, /No caches are saved: `lectern ingest PATH`/);
  });

  it("refuses cache alone and passages alone at once, status 2", async () => {
    const { status, stderr } = await lectern([
      ...["ask", ".", "-q", "x", "--no-retrieval", "--no-cache"],
    ]);
    assert.equal(status, 2);
    assert.match(stderr, /exclude each other/);
  });

  it("says in one line that reading into a cache needs an adapter, status 1", async () => {
    const path = join(folder(), "text.txt");
    writeFileSync(path, "Some text.\n");
    const { status, stderr } = await lectern(["ingest", path], { env: noAdapter });
    assert.equal(status, 1);
    assert.match(stderr, /^lectern: No GPU adapter was found[^\n]+\n$/);
  });
});
