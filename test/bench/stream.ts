// A long text through a bounded cache: perplexity, pace, GPU bytes and process memory as it goes on, as JSON.
// Run: node --expose-gc --import=tsx test/bench/stream.ts --model FILE.gguf --text FILE [--tokens N] [--policy ID] [--budget N]
//      [--scheme ID] [--type ID] [--stride N] [--seconds N] [--every N]; ends at the first of tokens and seconds.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { StoppedError } from "../../src/engine/errors.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: "" },
    text: { type: "string", default: "" },
    tokens: { type: "string", default: "1000000" },
    policy: { type: "string", default: "h2o" },
    budget: { type: "string", default: "4096" },
    stride: { type: "string", default: "1" },
    scheme: { type: "string", default: "in-cache" },
    type: { type: "string", default: "f16" },
    seconds: { type: "string", default: "1000000" },
    every: { type: "string", default: "16384" },
  },
});
const wanted = Number(values.tokens);
const every = Number(values.every);

const gpu = await openCheckedGpu();
const settings = {
  cachePolicy: values.policy,
  cacheBudget: Number(values.budget),
  cacheQueryStride: Number(values.stride),
  positionScheme: values.scheme,
  cacheTypeK: values.type,
  cacheTypeV: values.type,
  contextLength: wanted + 1,
};
const model = await loadModel(gpu, values.model, settings);
const text = await readFile(values.text, "utf8");
const once = model.tokenizer.encode(text);
const tokens = Array.from({ length: wanted }, (_, i) => once[i % once.length] ?? 0);

interface Row {
  readonly tokens: number;
  readonly msPerToken: number;
  readonly gpuBytes: number;
  /** What JavaScript holds, in its heap and beside it. */
  readonly hostBytes: number;
  /** Of the whole process, the driver's share included. */
  readonly residentBytes: number;
}

const rows: Row[] = [];
const beganMs = performance.now();
let lastMs = beganMs;
let lastTokens = 0;
const stop = new AbortController();

function onPrefill(done: number): void {
  const nowMs = performance.now();
  if (nowMs - beganMs > 1000 * Number(values.seconds)) stop.abort();
  if (done - lastTokens < every) return;
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  rows.push({
    tokens: done,
    msPerToken: (nowMs - lastMs) / (done - lastTokens),
    gpuBytes: Object.values(gpu.buffers.bytes()).reduce((a, b) => a + b, 0),
    hostBytes: heapUsed + external,
    residentBytes: rss,
  });
  [lastMs, lastTokens] = [performance.now(), done];
}

let nll: Float32Array | undefined;
try {
  nll = await model.scoreTokens(tokens, { onPrefill, signal: stop.signal });
} catch (error) {
  if (!(error instanceof StoppedError)) throw error;
}
const { tokensKeptPerHead: _, ...cache } = model.cacheStats();
const result = {
  adapter: gpu.capabilities.name,
  model: model.name,
  settings,
  cache,
  seconds: Math.round((performance.now() - beganMs) / 1000),
  // Absent when the time was over first.
  ...(nll && {
    isFinite: nll.every(Number.isFinite),
    meanNll: nll.reduce((sum, value) => sum + value, 0) / nll.length,
  }),
  rows,
};
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
model.dispose();
gpu.dispose();
