// The folder of saved caches: found by what they hold, a miss on any doubt, safe under full disks and several processes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileVersion, modelDigest } from "../../../src/engine/cache/modelDigest.ts";
import { DamagedError } from "../../../src/engine/cache/sectionFile.ts";
import { defaultCacheFolder, SnapshotStore } from "../../../src/engine/cache/snapshotStore.ts";
import { StoppedError, UserError } from "../../../src/engine/errors.ts";
import { withSmallDisk } from "../../support/smallDisk.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import {
  IDENTITY,
  readAll,
  sectionsOf,
  snapshotOf,
  stateOf,
  TOKENS,
} from "./support/savedCaches.ts";

const SAVER = fileURLToPath(new URL("support/saver.ts", import.meta.url));

describe("a saved cache", () => {
  const folder = useTemporaryFolder();
  let numStores = 0;
  const newStore = (limitBytes?: number) =>
    new SnapshotStore(join(folder(), `store-${numStores++}`), limitBytes);
  const key = { identity: IDENTITY, tokens: TOKENS };

  async function saved(store = newStore()) {
    return { store, ...(await store.save(snapshotOf())) };
  }

  function start({ folder, limitBytes }: SnapshotStore, mode: "one" | "many") {
    const args = ["--import=tsx", SAVER, folder, `${limitBytes}`, mode];
    return spawn(process.execPath, args);
  }

  async function caches(store: SnapshotStore): Promise<string[]> {
    return (await readdir(store.folder)).filter((name) => !name.endsWith(".log"));
  }

  it("is found by its tokens and settings, byte for byte", async () => {
    const { store, path, bytes } = await saved();
    const found = await readAll(store, { ...key, identity: { ...IDENTITY } });
    assert.deepEqual(found, {
      ...{ path, bytes, tokens: TOKENS.length },
      ...{ state: stateOf(TOKENS), sections: sectionsOf() },
    });
    assert.equal((await stat(path)).size, bytes);
    assert.deepEqual(await caches(store), [path.slice(store.folder.length + 1)]);
    assert.deepEqual(await store.locate(key), { path, bytes });
  });

  it("is a miss for other tokens, another model or other settings", async () => {
    const { store } = await saved();
    for (const tokens of [[1, 70_000], [1, 70_000, 4], [2, ...TOKENS], []])
      assert.equal(await readAll(store, { identity: IDENTITY, tokens }), undefined);
    for (const identity of [
      { ...IDENTITY, model: "abd" },
      { ...IDENTITY, chunkLength: 64 },
      { ...IDENTITY, budget: 5 },
    ])
      assert.equal(await readAll(store, { identity, tokens: TOKENS }), undefined);
  });

  it("is a miss under the name of another", async () => {
    const { store, path } = await saved();
    const other = { identity: { ...IDENTITY, model: "other" }, tokens: TOKENS };
    await writeFile(store.pathOf(other), await readFile(path));
    assert.equal(await readAll(store, other), undefined);
  });

  it("is used whole by a request that begins with all of it", async () => {
    const { store } = await saved();
    const found = await readAll(store, { identity: IDENTITY, tokens: [...TOKENS, 5, 6] });
    assert.equal(found?.tokens, TOKENS.length);
  });

  it("is used up to the last block of 64 tokens that is alike, where parts of it may be", async () => {
    const store = newStore();
    const tokens = Array.from({ length: 300 }, (_, i) => (i * 31) % 1000);
    await store.save(snapshotOf(tokens));
    const from = async (differsAt: number, length: number, sharesBlocks = true) => {
      const asked = Array.from({ length }, (_, i) => (i < differsAt ? (tokens[i] ?? 0) : 5000 + i));
      return (await readAll(store, { identity: IDENTITY, tokens: asked, sharesBlocks }))?.tokens;
    };
    assert.equal(await from(63, 400), undefined);
    assert.equal(await from(64, 400), 64);
    assert.equal(await from(200, 400), 192);
    assert.equal(await from(200, 200), 192);
    assert.equal(await from(299, 400), 256);
    assert.equal(await from(300, 400), 300, "all of it, though no multiple of 64");
    assert.equal(await from(200, 400, false), undefined, "all or nothing under other policies");
    assert.equal(await from(200, 200, false), undefined);
    assert.equal(await from(300, 400, false), 300);
  });

  it("is chosen among several by how much it holds, and replaced by the next best when it is damaged", async () => {
    const store = newStore();
    const tokens = Array.from({ length: 400 }, (_, i) => i);
    const asked = { identity: IDENTITY, tokens, sharesBlocks: true };
    await store.save(snapshotOf(tokens.slice(0, 100), { seed: 1 }));
    const { path } = await store.save(snapshotOf(tokens.slice(0, 250), { seed: 2 }));
    await store.save(snapshotOf([...tokens.slice(0, 200), 7, 8, 9], { seed: 3 }));
    const best = await readAll(store, asked);
    assert.deepEqual([best?.tokens, best?.sections], [250, sectionsOf(2)]);
    const bytes = await readFile(path);
    bytes.writeUInt8((bytes[1500] ?? 0) ^ 1, 1500);
    await writeFile(path, bytes);
    const next = await readAll(store, asked);
    assert.deepEqual([next?.tokens, next?.sections], [192, sectionsOf(3)]);
  });

  it("is a miss with any byte flipped", async () => {
    const { store, path } = await saved();
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at += 13) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 4;
      await writeFile(path, flipped);
      assert.equal(await readAll(store, key), undefined, `${at}`);
    }
    await writeFile(path, whole);
    assert.ok(await readAll(store, key));
  });

  it("is a miss when it is cut off anywhere, longer, or of another version", async () => {
    const { store, path } = await saved();
    const whole = await readFile(path);
    for (const size of [0, 7, 11, 40, 60, 300, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, size));
      assert.equal(await readAll(store, key), undefined, `${size}`);
    }
    await writeFile(path, Buffer.concat([whole, Buffer.alloc(1)]));
    assert.equal(await readAll(store, key), undefined);
    for (const at of [7, whole.length - 1]) {
      const older = Buffer.from(whole);
      older[at] = 1;
      await writeFile(path, older);
      assert.equal(await readAll(store, key), undefined, `version byte ${at}`);
    }
  });

  it("says in one line that the disk is full, and loses nothing that was saved before", async function () {
    await withSmallDisk(this, { parent: folder(), kilobytes: 64 }, async (disk) => {
      const { store, path } = await saved(new SnapshotStore(join(disk, "caches")));
      const before = await readFile(path);
      const sections = [{ name: "rows", pieces: [Buffer.alloc(50_000), Buffer.alloc(50_000)] }];
      for (const tokens of [TOKENS, [4, 5, 6]])
        await assert.rejects(
          store.save({ ...snapshotOf(tokens), sections }),
          (error) =>
            error instanceof UserError &&
            /^The cache cannot be saved in [^\n]*ENOSPC[^\n]*: free some space or choose another --cache-dir\.$/.test(
              error.message,
            ),
        );
      assert.deepEqual(await readFile(path), before);
      assert.equal((await caches(store)).length, 1, "nothing half written is left");
      assert.ok(await readAll(store, key));
    });
  });

  it("is not left half written by a stop", async () => {
    const store = newStore();
    await assert.rejects(store.save(snapshotOf(), { signal: AbortSignal.abort() }), StoppedError);
    assert.deepEqual(await readdir(store.folder), []);
  });

  it("is still there when a process is killed in the middle of saving it again", async () => {
    const { store, path } = await saved();
    const before = await readFile(path);
    const saver = start(store, "one");
    await once(saver.stdout, "data");
    saver.kill("SIGKILL");
    await once(saver, "exit");
    const [abandoned = "", ...others] = (await caches(store)).filter((name) => /part$/.test(name));
    assert.deepEqual(others, []);
    assert.ok((await stat(join(store.folder, abandoned))).size >= 1_000_000);
    assert.deepEqual(await readFile(path), before);
    assert.ok(await readAll(store, key));
    assert.equal((await store.list()).length, 1);
    await store.save(snapshotOf([9]));
    assert.ok((await caches(store)).includes(abandoned), "another process may be writing it");
    await utimes(join(store.folder, abandoned), 1, 1);
    await store.save(snapshotOf([10]));
    assert.ok(!(await caches(store)).includes(abandoned), "gone a day later");
  });

  it("is whole or missing while two processes save and evict at once", async () => {
    const store = newStore(20_000);
    await mkdir(store.folder);
    const savers = [start(store, "many"), start(store, "many")];
    const failures: string[] = [];
    for (const saver of savers) saver.stderr.on("data", (text) => failures.push(String(text)));
    await Promise.all(savers.map((saver) => once(saver.stdout, "data")));
    let numFound = 0;
    for (let round = 0; round < 150; round++) {
      const tokens = [round % 12, 1, 2];
      const found = await readAll(store, { identity: IDENTITY, tokens });
      if (!found) continue;
      numFound++;
      assert.deepEqual(found.sections, sectionsOf(round % 12));
    }
    for (const saver of savers) saver.kill("SIGTERM");
    await Promise.all(savers.map((saver) => once(saver, "exit")));
    assert.deepEqual(failures, []);
    assert.ok(numFound > 0);
    await store.save(snapshotOf());
    const sizes = (await store.list()).map(({ bytes }) => bytes);
    assert.ok(sizes.reduce((a, b) => a + b, 0) <= 20_000);
  });

  it("goes when others were used later and the space is taken", async () => {
    const { bytes } = await saved();
    const store = newStore(3.5 * bytes);
    const save = async (model: string, usedSeconds: number) => {
      const { path } = await store.save(snapshotOf(TOKENS, { identity: { ...IDENTITY, model } }));
      await utimes(path, usedSeconds, usedSeconds);
    };
    for (const [model, used] of [
      ["a", 10],
      ["b", 20],
      ["c", 30],
    ] as const)
      await save(model, used);
    await readAll(store, { identity: { ...IDENTITY, model: "a" }, tokens: TOKENS });
    await save("d", 40);
    const left = (await store.list()).map(({ identity }) => identity.model);
    assert.deepEqual(left.sort(), ["a", "c", "d"]);
    await assert.rejects(newStore(2000).save(snapshotOf()), /smaller --cache-budget/);
  });

  it("is listed with what it holds; other files are not", async () => {
    const { store, path, bytes } = await saved();
    await writeFile(join(store.folder, "noise.kv"), "not a cache");
    const [only, ...rest] = await store.list();
    assert.deepEqual(rest, []);
    assert.equal(only?.path, path);
    assert.equal(only?.bytes, bytes);
    assert.equal(only?.tokensRead, 3);
    assert.equal(only?.documents[0]?.path, "book.txt");
    assert.deepEqual(await newStore().list(), []);
  });

  it("is counted when it is looked for, by day, whole and in part", async () => {
    const store = newStore();
    const tokens = Array.from({ length: 200 }, (_, i) => i);
    const asked = { identity: IDENTITY, tokens, sharesBlocks: true };
    assert.equal((await store.lookups()).hitRate, 0);
    await readAll(store, asked);
    await store.save(snapshotOf(tokens));
    await readAll(store, asked);
    await readAll(store, { ...asked, tokens: [...tokens.slice(0, 130), 999] });
    await readAll(store, { ...asked, tokens: [4] });
    const counted = {
      ...{ lookups: 4, hits: 1, partialHits: 1, hitRate: 0.5 },
      ...{ tokensRequested: 200 + 200 + 131 + 1, tokensRestored: 200 + 128 },
    };
    const { days, ...all } = await store.lookups();
    assert.deepEqual(all, counted);
    assert.deepEqual(days, [{ day: new Date().toISOString().slice(0, 10), ...counted }]);
    // Of earlier months, damaged lines, and more than a year ago.
    const earlier = "2025-01-05 100 0\n2025-01-07 10 10\nnoise\n2025-01-07 9";
    await writeFile(join(store.folder, "lookups-2025-01.log"), earlier);
    const more = await store.lookups();
    assert.deepEqual(
      more.days.map(({ day, lookups }) => [day, lookups]),
      [
        ["2025-01-05", 1],
        ["2025-01-07", 1],
        [days[0]?.day, 4],
      ],
    );
    assert.equal(more.hitRate, 3 / 6);
    for (let month = 1; month <= 12; month++)
      await writeFile(join(store.folder, `lookups-2024-${`${month}`.padStart(2, "0")}.log`), "");
    await readAll(store, asked);
    const logs = (await readdir(store.folder)).filter((name) => name.endsWith(".log"));
    assert.equal(logs.length, 13);
    assert.ok(!logs.includes("lookups-2024-01.log"));
  });

  it("is found all the same where the folder cannot be written", async () => {
    const file = join(folder(), "a-file");
    await writeFile(file, "not a folder");
    const store = new SnapshotStore(file);
    assert.equal(await readAll(store, key), undefined);
    assert.equal((await store.lookups()).lookups, 0);
  });

  it("hands on failures that are no damage", async () => {
    const { store } = await saved();
    await assert.rejects(
      store.withLongest(key, async () => {
        throw new StoppedError();
      }),
      StoppedError,
    );
    const result = await store.withLongest(key, async () => {
      throw new DamagedError("a piece");
    });
    assert.equal(result, undefined);
  });

  it("lies in the user's cache folder on every system", () => {
    assert.equal(
      defaultCacheFolder({ XDG_CACHE_HOME: "/x" }, "linux"),
      join("/x", "lectern", "caches"),
    );
    assert.match(defaultCacheFolder({}, "linux"), /\.cache.lectern.caches$/);
    assert.match(defaultCacheFolder({}, "darwin"), /Library.Caches.lectern.caches$/);
    assert.match(defaultCacheFolder({ LOCALAPPDATA: "L" }, "win32"), /^L.lectern.caches$/);
  });

  it("knows a model by every byte of its file, and forgets a digest when the file changes", async () => {
    const path = join(folder(), "model.bin");
    const digest = async () =>
      modelDigest(path, { folder: folder(), version: await fileVersion(path) });
    await writeFile(path, Buffer.alloc(1e6));
    const version = await fileVersion(path);
    const first = await digest();
    assert.match(first ?? "", /^[0-9a-f]{64}$/);
    assert.equal(await digest(), first);
    const changed = Buffer.alloc(1e6);
    changed[500_000] = 1;
    await writeFile(path, changed);
    assert.notEqual(await digest(), first);
    assert.equal(await modelDigest(path, { folder: folder(), version }), undefined);
    await rm(path);
  });
});
