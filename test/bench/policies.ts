// What cache policies cost while a long text is read, side by side: the models of all policies read the same pieces in
// turn, so that whatever else the machine does weighs on all alike. Also how far the kept sets of two policies agree.
// Run: npx tsx test/bench/policies.ts --text FILE [--model FILE.gguf] [--tokens 16384] [--budget 4096] [--recent N]
//      [--piece 2048] [--type f16] [--policies streaming-llm,h2o,h2o:4]; the first is the base, `:N` a query stride.
// Processor time, which progress shows, is for software adapters: beside a GPU it is the wait for it, and elapsed time counts.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { cachePolicyOf } from "../../src/engine/cache/policies/index.ts";
import { GpuLanguageModel } from "../../src/engine/generate.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModelPath() },
    text: { type: "string", default: "" },
    tokens: { type: "string", default: "16384" },
    budget: { type: "string", default: "4096" },
    recent: { type: "string" },
    piece: { type: "string", default: "2048" },
    type: { type: "string", default: "f16" },
    policies: { type: "string", default: "streaming-llm,h2o,h2o:4" },
  },
});
const total = Number(values.tokens);
const budget = Number(values.budget);

interface Reader {
  readonly name: string;
  readonly model: GpuLanguageModel;
  /** Of each piece. */
  readonly processorMs: number[];
  readonly elapsedMs: number[];
}

const gpu = await openCheckedGpu();
const readers: Reader[] = [];
for (const name of values.policies.split(",")) {
  const [cachePolicy = "", stride] = name.split(":");
  const model = await loadModel(gpu, values.model, {
    cachePolicy,
    ...(cachePolicyOf(cachePolicy)[1].evicts && { cacheBudget: budget }),
    ...(values.recent && { cacheRecent: Number(values.recent) }),
    ...(stride && { cacheQueryStride: Number(stride) }),
    positionScheme: "original",
    cacheTypeK: values.type,
    cacheTypeV: values.type,
    contextLength: total + 1,
  });
  if (!(model instanceof GpuLanguageModel)) throw new Error("the model does not run on the GPU");
  readers.push({ name, model, processorMs: [], elapsedMs: [] });
}
const [base] = readers;
if (base === undefined) throw new Error("no policies are given");
const tokens = base.model.tokenizer.encode(await readFile(values.text, "utf8")).slice(0, total);

for (let end = 0, turn = 0; end < tokens.length; turn++) {
  end = Math.min(end + Number(values.piece), tokens.length);
  // Whoever goes first after a pause may find the processor in another state.
  for (const i of readers.keys()) await readTo(end, readers[(i + turn) % readers.length] ?? base);
  const soFar = readers.map(
    ({ name, processorMs }) => `${name} ${ratio(processorMs, base.processorMs)}`,
  );
  process.stderr.write(`${end} of ${tokens.length} tokens: ${soFar.join(", ")}\n`);
}

const kept = await Promise.all(readers.map(({ model }) => keptTokens(model)));
const report = {
  adapter: gpu.capabilities.name,
  model: base.model.name,
  tokens: tokens.length,
  budget,
  cacheType: values.type,
  rows: readers.map(({ name, model, processorMs, elapsedMs }, i) => ({
    policy: name,
    processorMs,
    elapsedMs,
    processorOverBase: ratio(processorMs, base.processorMs),
    elapsedOverBase: ratio(elapsedMs, base.elapsedMs),
    keptLike: Object.fromEntries(
      readers
        .slice(0, i)
        .map((other, j) => [other.name, overlap(kept[j] ?? [], kept[i] ?? [], model)]),
    ),
  })),
};
process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
for (const { model } of readers) model.dispose();
gpu.dispose();

/** Read on to the `end`-th token: a prompt goes on where the cache ends. */
async function readTo(end: number, reader: Reader): Promise<void> {
  const processor = process.cpuUsage();
  const elapsed = performance.now();
  const prompt = tokens.slice(0, end);
  const run = reader.model.generate({ prompt, maxTokens: 1, ignoreEnd: true });
  while (!(await run.next()).done);
  const { user, system } = process.cpuUsage(processor);
  reader.processorMs.push(Math.round((user + system) / 10) / 100);
  reader.elapsedMs.push(Math.round(100 * (performance.now() - elapsed)) / 100);
}

/** Of the pieces behind the first, in which drivers compile what they have not compiled yet. */
function ratio(ms: readonly number[], baseMs: readonly number[]): number {
  const sum = (pieces: readonly number[]): number =>
    pieces.slice(Math.min(1, pieces.length - 1)).reduce((total, piece) => total + piece, 0);
  return Math.round((1000 * sum(ms)) / sum(baseMs)) / 1000;
}

/** The tokens each head of each layer keeps: one piece of a section of positions a head. */
async function keptTokens(model: GpuLanguageModel): Promise<Set<number>[]> {
  const kept: Set<number>[] = [];
  for (const { name, pieces } of model.keeper.capture().sections) {
    if (!name.endsWith("/positions")) continue;
    for await (const piece of pieces) kept.push(new Set(new Uint32Array(piece.slice().buffer)));
  }
  return kept;
}

/** Share of the tokens that both chose freely, neither sinks nor recent ones, of all chosen so; mean over heads. */
function overlap(
  a: readonly Set<number>[],
  b: readonly Set<number>[],
  model: GpuLanguageModel,
): number | undefined {
  const { sinks = 0, recent = 0 } = model.cacheStats();
  const isFree = (token: number): boolean => token >= sinks && token < tokens.length - recent;
  const shares = a.flatMap((set, head) => {
    const free = [...set].filter(isFree);
    const both = free.filter((token) => b[head]?.has(token));
    return free.length > 0 ? [both.length / free.length] : [];
  });
  if (shares.length === 0) return undefined;
  return Math.round((1000 * shares.reduce((x, y) => x + y, 0)) / shares.length) / 1000;
}
