// `lectern bench`: prefill and decode speed, measured like llama-bench: fixed token counts at given depths of context.

import type { KernelTime } from "../../engine/gpu/profiler.ts";
import type { GenerateRequest, LanguageModel } from "../../engine/languageModel.ts";
import type { RunStats } from "../../protocol.ts";
import { defineCommand, UsageError } from "../command.ts";
import { MAX_POSITIONS } from "../maxPositions.ts";
import { modelOptions, modelSettings } from "../options.ts";
import { textTable } from "../textTable.ts";

interface BenchRow {
  readonly test: string;
  /** Tokens prefilled or decoded. */
  readonly tokens: number;
  /** Tokens already in the context. */
  readonly depth: number;
  readonly tokensPerSecond: { readonly median: number; readonly min: number; readonly max: number };
  /** GPU time of one more run, kernel by kernel, what is read in front of it included. */
  readonly kernels?: readonly KernelTime[];
}

interface Test {
  readonly kind: "prefill" | "decode";
  readonly tokens: number;
  readonly depth: number;
}

export const bench = defineCommand({
  summary: "Measure prefill and decode speed: medians over repeats, after one run to warm up.",
  positionals: { usage: "", min: 0, max: 0 },
  options: {
    prefill: { type: "string", value: "N,…", description: "Prompt lengths. Default 512." },
    decode: { type: "string", value: "N,…", description: "Tokens to decode. Default 128." },
    depth: { type: "string", value: "N,…", description: "Tokens before them. Default 0." },
    repeat: { type: "integer", description: "Runs of each test. Default 5." },
    profile: {
      type: "boolean",
      description: "One more run of each test, with the GPU's time kernel by kernel.",
    },
    ...modelOptions,
  },
  examples: ["--prefill 512,4096 --decode 128 --depth 0,8192 --repeat 5"],
  async run({ values }, { engine, observer, signal }) {
    const depths = counts("depth", values.depth ?? "0", 0);
    const tests = depths.flatMap((depth): Test[] => [
      ...counts("prefill", values.prefill ?? "512", 1).map(
        (tokens) => ({ kind: "prefill", tokens, depth }) as const,
      ),
      ...counts("decode", values.decode ?? "128", 1).map(
        (tokens) => ({ kind: "decode", tokens, depth }) as const,
      ),
    ]);
    const longest = Math.max(...tests.map(({ tokens, depth }) => tokens + depth)) + 1;
    const settings = { contextLength: longest, ...modelSettings(values) };
    const repeat = values.repeat ?? 5;
    const report = await engine.use(settings, { observer, signal }, async ({ model, adapter }) => {
      // Before anything is measured in vain, and before prompts are made up.
      model.requireRoom?.(longest);
      if (values.profile) await model.timeKernels?.(async () => {});
      const rows: BenchRow[] = [];
      for (const [i, test] of tests.entries()) {
        const row = await measure(model, test, { repeat, signal });
        rows.push(values.profile ? { ...row, ...(await profile(model, test, signal)) } : row);
        observer.progress?.({ phase: "decode", done: i + 1, total: tests.length, unit: "parts" });
      }
      return { adapter: adapter.name, model: model.name, rows };
    });
    return { json: report, text: table(report) };
  },
});

/** `512,4096` as numbers from `min` to MAX_POSITIONS. */
function counts(option: string, list: string, min: number): number[] {
  return list.split(",").map((text) => {
    const count = Number(text);
    const isCount = text.trim() !== "" && Number.isSafeInteger(count);
    if (isCount && count >= min && count <= MAX_POSITIONS) return count;
    throw new UsageError(
      `--${option} needs whole numbers from ${min} to ${MAX_POSITIONS}, got "${list}".`,
    );
  });
}

async function measure(
  model: LanguageModel,
  test: Test,
  { repeat, signal }: { readonly repeat: number; readonly signal: AbortSignal },
): Promise<BenchRow> {
  const run = test.kind === "prefill" ? prefillSpeed : decodeSpeed;
  await run(model, test, signal);
  const speeds: number[] = [];
  for (let i = 0; i < repeat; i++) speeds.push(await run(model, test, signal));
  speeds.sort((a, b) => a - b);
  const middle = Math.floor(speeds.length / 2);
  const median =
    speeds.length % 2 === 1
      ? (speeds[middle] ?? 0)
      : ((speeds[middle - 1] ?? 0) + (speeds[middle] ?? 0)) / 2;
  return {
    test: `${test.kind} ${test.tokens}`,
    tokens: test.tokens,
    depth: test.depth,
    tokensPerSecond: { median, min: speeds[0] ?? 0, max: speeds.at(-1) ?? 0 },
  };
}

async function profile(
  model: LanguageModel,
  test: Test,
  signal: AbortSignal,
): Promise<Pick<BenchRow, "kernels">> {
  const { timeKernels } = model;
  if (!timeKernels) return {};
  const speed = test.kind === "prefill" ? prefillSpeed : decodeSpeed;
  return { kernels: (await timeKernels.call(model, () => speed(model, test, signal))).kernels };
}

/** Tokens per second from `depth` to the end of the prompt. */
async function prefillSpeed(
  model: LanguageModel,
  test: Test,
  signal: AbortSignal,
): Promise<number> {
  const total = test.depth + test.tokens;
  let began = { ms: performance.now(), done: 0 };
  let ended = began;
  const { prefillTokensPerSecond } = await run(model, {
    prompt: randomTokens(model, total),
    maxTokens: 1,
    signal,
    onPrefill: (done) => {
      ended = { ms: performance.now(), done };
      if (done <= test.depth) began = ended;
    },
  });
  // A whole prompt is timed by the engine itself, submits and readback included.
  if (test.depth === 0) return prefillTokensPerSecond;
  return ((ended.done - began.done) / (ended.ms - began.ms)) * 1000;
}

async function decodeSpeed(model: LanguageModel, test: Test, signal: AbortSignal): Promise<number> {
  const { decodeTokensPerSecond } = await run(model, {
    prompt: randomTokens(model, Math.max(1, test.depth)),
    maxTokens: test.tokens,
    ignoreEnd: true,
    signal,
  });
  return decodeTokensPerSecond;
}

async function run(model: LanguageModel, request: GenerateRequest): Promise<RunStats> {
  const generation = model.generate({ temperature: 0, ...request });
  for (;;) {
    const next = await generation.next();
    if (next.done) return next.value;
  }
}

/** Other tokens every time, so that no run finds its prompt in the cache. */
function randomTokens(model: LanguageModel, count: number): number[] {
  const { vocabSize } = model.tokenizer;
  return Array.from({ length: count }, () => Math.floor(Math.random() * vocabSize));
}

function table(report: {
  readonly adapter: string;
  readonly model: string;
  readonly rows: readonly BenchRow[];
}): string {
  const rows = report.rows.map(({ test, depth, tokensPerSecond: { median, min, max } }) => [
    test,
    `${depth}`,
    median.toFixed(1),
    min.toFixed(1),
    max.toFixed(1),
  ]);
  const head = ["test", "depth", "tokens/s", "min", "max"];
  const kernels = report.rows.flatMap((row) =>
    row.kernels ? [kernelTable(row, row.kernels)] : [],
  );
  const speeds = `${report.model} on ${report.adapter}\n${textTable(head, rows)}`;
  return [speeds, ...kernels].join("\n\n");
}

function kernelTable({ test, depth }: BenchRow, kernels: readonly KernelTime[]): string {
  const all = kernels.reduce((sum, { totalMs }) => sum + totalMs, 0);
  const rows = kernels.map(({ kernel, dispatches, totalMs }) => [
    kernel,
    `${dispatches}`,
    totalMs.toFixed(2),
    ((1000 * totalMs) / dispatches).toFixed(1),
    ((100 * totalMs) / all).toFixed(1),
  ]);
  const head = ["kernel", "dispatches", "ms", "µs each", "%"];
  const title = `${test}${depth > 0 ? ` behind ${depth}` : ""}: ${all.toFixed(1)} ms of the GPU`;
  return `${title}\n${textTable(head, rows)}`;
}
