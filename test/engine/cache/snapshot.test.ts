// Saved caches: restored as if the model had never stopped, and a miss on any doubt.

import assert from "node:assert/strict";
import {
  type FileHandle,
  open,
  readdir,
  readFile,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import type { CacheKeeper } from "../../../src/engine/cache/cacheKeeper.ts";
import { fileVersion, modelDigest } from "../../../src/engine/cache/modelDigest.ts";
import type { CacheState } from "../../../src/engine/cache/snapshot.ts";
import {
  readSnapshot,
  readSnapshotFacts,
  type SnapshotFacts,
} from "../../../src/engine/cache/snapshotFile.ts";
import { defaultCacheFolder, SnapshotStore } from "../../../src/engine/cache/snapshotStore.ts";
import { StoppedError, UserError } from "../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import { loadModel } from "../../../src/engine/loadModel.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { useGpu } from "../../support/gpu.ts";
import { randomPrompt, writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

const IDENTITY = { model: "abc", policy: "full", chunkLength: 32 };

function stateOf(tokens: readonly number[], rows = [3, 5]): CacheState {
  const parts = rows.map((bytes, i) =>
    Uint8Array.from({ length: 100 * bytes }, (_, j) => j * 7 + i),
  );
  const length = tokens.length;
  return { tokens, length, knownSlots: 0, knownTokens: 0, summedSlots: 0, parts };
}

function factsOf(identity: SnapshotFacts["identity"] = IDENTITY): SnapshotFacts {
  const documents = [{ path: "book.txt", sha256: "0" }];
  return { identity, documents, model: "m", policy: "full", tokensRead: 0, tokensKept: 3 };
}

describe("a saved cache", () => {
  const folder = useTemporaryFolder();
  let numStores = 0;
  const newStore = (limitBytes?: number) =>
    new SnapshotStore(join(folder(), `store-${numStores++}`), limitBytes);
  const TOKENS = [1, 70_000, 3];

  async function saved(store = newStore()) {
    const { path, bytes } = await store.save({ facts: factsOf(), state: stateOf(TOKENS) });
    return { store, path, bytes };
  }

  it("is found by its tokens and settings, byte for byte", async () => {
    const { store, path, bytes } = await saved();
    const found = await store.find({ identity: { ...IDENTITY }, tokens: TOKENS });
    assert.deepEqual(found?.state, {
      ...stateOf(TOKENS),
      parts: stateOf(TOKENS).parts.map((part) => Buffer.from(part)),
    });
    assert.equal(found?.path, path);
    assert.equal((await stat(path)).size, bytes);
    assert.deepEqual(await readdir(store.folder), [path.slice(store.folder.length + 1)]);
  });

  it("is a miss for other tokens, another model or other settings", async () => {
    const { store } = await saved();
    for (const tokens of [[1, 70_000], [1, 70_000, 4], [...TOKENS, 5], []])
      assert.equal(await store.find({ identity: IDENTITY, tokens }), undefined);
    for (const identity of [
      { ...IDENTITY, model: "abd" },
      { ...IDENTITY, chunkLength: 64 },
      { ...IDENTITY, budget: 5 },
    ])
      assert.equal(await store.find({ identity, tokens: TOKENS }), undefined);
  });

  it("is a miss under the name of another", async () => {
    const { store, path } = await saved();
    const key = { identity: { ...IDENTITY, model: "other" }, tokens: TOKENS };
    await writeFile(store.pathOf(key), await readFile(path));
    assert.equal(await store.find(key), undefined);
  });

  it("is a miss with any byte flipped", async () => {
    const { store, path } = await saved();
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at += 13) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 4;
      await writeFile(path, flipped);
      assert.equal(await store.find({ identity: IDENTITY, tokens: TOKENS }), undefined, `${at}`);
    }
    await writeFile(path, whole);
    assert.ok(await store.find({ identity: IDENTITY, tokens: TOKENS }));
  });

  it("is a miss when it is cut off anywhere, or longer", async () => {
    const { path } = await saved();
    const whole = await readFile(path);
    for (const size of [0, 7, 11, 40, 60, 300, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, size));
      assert.equal(await readSnapshot(path), undefined, `${size}`);
    }
    await writeFile(path, Buffer.concat([whole, Buffer.alloc(1)]));
    assert.equal(await readSnapshot(path), undefined);
    assert.equal(await readSnapshotFacts(join(path, "nothing")), undefined);
  });

  it("survives a disk that is full while it is saved again", async () => {
    const { store, path } = await saved();
    const before = await readFile(path);
    const openFile = async (file: string) => {
      const handle = await open(file, "wx");
      return full(handle);
    };
    await assert.rejects(
      store.save({ facts: factsOf(), state: stateOf(TOKENS) }, { openFile }),
      (error) => error instanceof UserError && /ENOSPC.*--cache-dir/.test(error.message),
    );
    assert.deepEqual(await readFile(path), before);
    assert.equal((await readdir(store.folder)).length, 1, "nothing half written is left");
  });

  it("is not left half written by a stop", async () => {
    const store = newStore();
    const snapshot = { facts: factsOf(), state: stateOf(TOKENS) };
    await assert.rejects(store.save(snapshot, { signal: AbortSignal.abort() }), StoppedError);
    assert.deepEqual(await readdir(store.folder), []);
  });

  it("goes when others were used later and the space is taken", async () => {
    const { bytes } = await saved();
    const store = newStore(3.5 * bytes);
    const save = async (model: string, usedSeconds: number) => {
      const identity = { ...IDENTITY, model };
      const { path } = await store.save({ facts: factsOf(identity), state: stateOf(TOKENS) });
      await utimes(path, usedSeconds, usedSeconds);
    };
    for (const [model, used] of [
      ["a", 10],
      ["b", 20],
      ["c", 30],
    ] as const)
      await save(model, used);
    await store.find({ identity: { ...IDENTITY, model: "a" }, tokens: TOKENS });
    await save("d", 40);
    const left = (await store.list()).map(({ identity }) => identity.model);
    assert.deepEqual(left.sort(), ["a", "c", "d"]);
    await assert.rejects(
      newStore(bytes / 2).save({ facts: factsOf(), state: stateOf(TOKENS) }),
      /smaller --cache-budget/,
    );
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
  });
});

/** A file that takes one write and then says that the disk is full. */
function full(handle: FileHandle): Pick<FileHandle, "write" | "sync" | "close"> {
  let writes = 0;
  const write = (async (buffer: Uint8Array, offset: number, length: number) => {
    if (writes++ > 0) throw Object.assign(new Error("ENOSPC: no space left"), { code: "ENOSPC" });
    return handle.write(buffer, offset, length);
    // The overloads that take strings are not used.
  }) as FileHandle["write"];
  return { write, sync: () => handle.sync(), close: () => handle.close() };
}

describe("a model's cache, saved and restored", function () {
  // A software adapter compiles a model's kernels for some seconds, once a machine.
  this.timeout(300_000);
  const gpu = useGpu();
  const folder = useTemporaryFolder();
  let path = "";
  const models: LanguageModel[] = [];
  before(async () => {
    path = join(folder(), "random.gguf");
    await writeRandomModel(path, { architecture: "llama", format: "f32" });
  });
  afterEach(() => {
    for (const model of models.splice(0)) model.dispose();
  });

  async function load(settings: ModelSettings) {
    const model = await loadModel(gpu(), path, settings);
    models.push(model);
    assert.ok(model.keeper);
    return { model, keeper: model.keeper };
  }

  async function continued(model: LanguageModel, prompt: readonly number[], maxTokens: number) {
    const tokens: number[] = [];
    for await (const { token } of model.generate({ prompt, maxTokens, ignoreEnd: true }))
      tokens.push(token);
    return tokens;
  }

  async function throughFile(keeper: CacheKeeper): Promise<CacheState> {
    const store = new SnapshotStore(join(folder(), "store"));
    const state = await keeper.capture();
    await store.save({ facts: factsOf(keeper.identity), state });
    const found = await store.find({ identity: keeper.identity, tokens: state.tokens });
    assert.ok(found);
    return found.state;
  }

  const bounded = { cacheBudget: 48, cacheSinks: 4, chunkLength: 32 };
  for (const [name, settings] of [
    ["full", {}],
    ["full in q8_0", { cacheTypeK: "q8_0", cacheTypeV: "q8_0" }],
    ["streaming-llm", { ...bounded, cachePolicy: "streaming-llm" }],
    ["h2o", { ...bounded, cachePolicy: "h2o" }],
    [
      "h2o with positions in the cache",
      { ...bounded, cachePolicy: "h2o", positionScheme: "in-cache" },
    ],
    ["h2o by a sample of queries", { ...bounded, cachePolicy: "h2o", cacheQueryStride: 4 }],
    ["tova", { ...bounded, cachePolicy: "tova" }],
    [
      "snapkv in q8_0",
      { ...bounded, cachePolicy: "snapkv", cacheTypeK: "q8_0", cacheTypeV: "q8_0" },
    ],
  ] as const)
    it(`goes on bit for bit as if it had never stopped: ${name}`, async () => {
      const prefix = randomPrompt(150);
      const question = randomPrompt(16, 9);
      const prompt = [...prefix, ...question];
      const one = await load(settings);
      await one.keeper.read(prefix, {});
      const state = await throughFile(one.keeper);
      const first = await continued(one.model, prompt, 1);
      const behind = await one.keeper.capture();
      const story = await continued(one.model, [...prompt, ...first], 10);

      const other = await load(settings);
      // What it held before must not matter.
      await continued(other.model, randomPrompt(90, 4), 5);
      const stats = await other.keeper.restore(state);
      assert.equal(stats.cache.tokensRead, 150);
      assert.equal(stats.cache.tokensKept, name.startsWith("full") ? 150 : 48);
      const read: number[] = [];
      const next = other.model.generate({
        prompt,
        maxTokens: 1,
        onPrefill: (done) => read.push(done),
      });
      for await (const { token } of next) assert.equal(token, first[0]);
      assert.deepEqual(read, [166], "only the question is read");
      assert.deepEqual(await other.keeper.capture(), behind);
      assert.deepEqual(await continued(other.model, [...prompt, ...first], 10), story);

      await other.keeper.rollBack(state);
      const back = await other.keeper.capture();
      assert.deepEqual({ ...back, parts: [] }, { ...state, parts: [] });
      assert.ok(back.parts.every((part, i) => Buffer.compare(part, state.parts[i] ?? part) === 0));
      assert.deepEqual(await continued(other.model, prompt, 1), first);
    });

  it("has an identity that tells settings and positions apart", async () => {
    const identities = [];
    for (const settings of [
      {},
      { cacheTypeK: "f32" },
      { chunkLength: 64 },
      { ropeScaling: "linear", ropeFactor: 2 },
      { ...bounded, cachePolicy: "h2o" },
      { ...bounded, cachePolicy: "h2o", cacheBudget: 50 },
      { ...bounded, cachePolicy: "h2o", cacheQueryStride: 4 },
      { ...bounded, cachePolicy: "h2o", positionScheme: "in-cache" },
    ])
      identities.push(JSON.stringify((await load(settings)).keeper.identity));
    assert.equal(new Set(identities).size, identities.length);
  });

  it("does not fit a state with rows of another size", async () => {
    const { keeper } = await load({});
    await keeper.read(randomPrompt(20), {});
    const state = await keeper.capture();
    assert.ok(keeper.fits(state));
    assert.ok(!keeper.fits({ ...state, length: 19 }));
    assert.ok(!keeper.fits({ ...state, parts: state.parts.slice(1) }));
  });
});
