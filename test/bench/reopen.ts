// A saved cache reopened by another process: how long until it can be asked, at which speed beside a plain copy of the same
// file, how long the event loop waits meanwhile, and whether the first token is the one of the process that read the text.
// Run: node --import=tsx test/bench/reopen.ts fill|reopen --model FILE.gguf --text FILE --folder DIR [--tokens N] [--type-k ID]
//      [--type-v ID] [--sparsity ID --threshold F, of the reading]; `fill` goes on where it was stopped, `reopen` prints JSON.

import { copyFile, mkdir, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { fileVersion, modelDigest } from "../../src/engine/cache/modelDigest.ts";
import { SnapshotStore } from "../../src/engine/cache/snapshotStore.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: "" },
    text: { type: "string", default: "" },
    folder: { type: "string", default: "" },
    tokens: { type: "string", default: "100000" },
    "type-k": { type: "string" },
    "type-v": { type: "string" },
    sparsity: { type: "string" },
    threshold: { type: "string" },
    repeat: { type: "string", default: "3" },
  },
});
const [mode] = positionals;
const wanted = Number(values.tokens);
// Tokens between two saves of a fill.
const STEP = 8192;
const QUESTION_TOKENS = 24;

const gpu = await openCheckedGpu();
const model = await loadModel(gpu, values.model, {
  contextLength: wanted + 1024,
  ...(values["type-k"] && { cacheTypeK: values["type-k"] }),
  ...(values["type-v"] && { cacheTypeV: values["type-v"] }),
  ...(values.sparsity && { prefillSparsity: values.sparsity }),
  ...(values.threshold && { prefillThreshold: Number(values.threshold) }),
});
const { keeper } = model;
if (!keeper) throw new Error("the model has no cache to keep");
const once = model.tokenizer.encode(await readFile(values.text, "utf8"));
const all = Array.from({ length: wanted + QUESTION_TOKENS }, (_, i) => once[i % once.length] ?? 0);
const tokens = all.slice(0, wanted);
const version = await fileVersion(values.model);
const digest = await modelDigest(values.model, { folder: values.folder, version });
const identity = { ...keeper.identity, model: digest ?? "" };
const store = new SnapshotStore(values.folder);
const expected = join(values.folder, `first-token-${wanted}.json`);

if (mode === "fill") await fill();
else process.stdout.write(`${JSON.stringify(await reopen(), null, 1)}\n`);
model.dispose();
gpu.dispose();

async function fill(): Promise<void> {
  let read = (await restore(tokens))?.tokens ?? 0;
  while (read < wanted) {
    const end = Math.min(wanted, read + STEP);
    await keeper?.read(tokens.slice(0, end), {}, read);
    const before = store.pathOf({ identity, tokens: tokens.slice(0, read) });
    await save(store);
    await rm(before, { force: true });
    read = end;
    process.stderr.write(`${read} of ${wanted} tokens\n`);
  }
  await writeFile(expected, JSON.stringify({ token: await firstToken() }));
}

async function reopen() {
  const { token } = JSON.parse(await readFile(expected, "utf8")) as { token: number };
  const path = store.pathOf({ identity, tokens });
  const { size: bytes } = await stat(path);
  const runs = [];
  for (let i = 0; i < Number(values.repeat); i++) {
    const restored = await timed(() => restore(tokens));
    if (restored.result?.tokens !== wanted) throw new Error("a miss: fill it first");
    const first = await timed(firstToken);
    if (first.result !== token) throw new Error(`first token ${first.result} instead of ${token}`);
    const copy = join(values.folder, "copy");
    const copied = await timed(() => copySynced(path, copy));
    const readAgain = await timed(() => readWhole(path));
    await rm(copy);
    const elsewhere = join(values.folder, "saved-again");
    await mkdir(elsewhere, { recursive: true });
    const saved = await timed(() => save(new SnapshotStore(elsewhere)));
    await rm(elsewhere, { recursive: true });
    const speed = ({ ms }: { ms: number }) => Math.round(bytes / 1e3 / ms);
    runs.push({
      restoreMs: Math.round(restored.ms),
      firstTokenMs: Math.round(first.ms),
      restoreMBs: speed(restored),
      readFileMBs: speed(readAgain),
      saveMBs: speed(saved),
      copyMBs: speed(copied),
      processorMs: {
        restore: restored.processorMs,
        save: saved.processorMs,
        readFile: readAgain.processorMs,
        copy: copied.processorMs,
      },
      longestWaitMs: {
        restore: restored.longestWaitMs,
        save: saved.longestWaitMs,
        copy: copied.longestWaitMs,
      },
      bitIdentical: restored.result.bitIdentical,
    });
  }
  const { typeK, typeV } = model.cacheStats();
  const machine = { processors: cpus().length, load: loadavg()[0] };
  return {
    model: model.name,
    adapter: gpu.capabilities.name,
    machine,
    tokens: wanted,
    typeK,
    typeV,
    bytes,
    runs,
  };
}

async function restore(of: readonly number[]) {
  return store.withLongest({ identity, tokens: of, sharesBlocks: true }, async (found) => {
    const stats = await keeper?.restore(found);
    return stats?.cache.restored;
  });
}

async function save(into: SnapshotStore): Promise<void> {
  if (!keeper) return;
  const { policy, tokensRead, tokensKept } = model.cacheStats();
  const facts = { identity, device: keeper.device, model: model.name, policy, documents: [] };
  await into.save({ facts: { ...facts, tokensRead, tokensKept }, ...keeper.capture() });
}

async function firstToken(): Promise<number | undefined> {
  for await (const { token } of model.generate({ prompt: all, maxTokens: 1, ignoreEnd: true }))
    return token;
  return undefined;
}

/** As a copy that survives a crash: the saved caches are synced, too. */
async function copySynced(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const file = await open(to, "r+");
  await file.sync();
  await file.close();
}

async function readWhole(path: string): Promise<void> {
  await readFile(path);
}

async function timed<T>(work: () => Promise<T>) {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const before = process.cpuUsage();
  const beganMs = performance.now();
  const result = await work();
  const ms = performance.now() - beganMs;
  const { user, system } = process.cpuUsage(before);
  delay.disable();
  // What an idle machine would take at most: threads that run beside each other are counted one by one.
  const processorMs = Math.round((user + system) / 1e3);
  return { result, ms, processorMs, longestWaitMs: Math.round(delay.max / 1e6) };
}
