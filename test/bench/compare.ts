// Lectern beside llama.cpp on the CPU or a GPU: same file, same numbers of tokens, medians and their ratio.
// Run: npx tsx test/bench/compare.ts [--model FILE] [--prefill 1024,8192] [--decode 128] [--depth 0] [--repeat 5] [--json]
//      [--llama-gpu vulkan|cuda|metal] [--adapter NAME], the latter Lectern's

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import { repositoryRoot } from "../support/testData.ts";
import { llamaCppSpeed } from "./llamaCppSpeed.ts";

interface Row {
  readonly test: string;
  readonly tokens: number;
  readonly depth: number;
  readonly tokensPerSecond: { readonly median: number; readonly min: number; readonly max: number };
}

const threads = 2;
const { values } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModelPath() },
    prefill: { type: "string", default: "1024" },
    decode: { type: "string", default: "128" },
    depth: { type: "string", default: "0" },
    repeat: { type: "string", default: "5" },
    adapter: { type: "string" },
    "llama-gpu": { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const gpu = llamaGpu(values["llama-gpu"]);
const lectern = runLectern();
const llama = await getLlama({
  gpu,
  build: "never",
  maxThreads: threads,
  logLevel: LlamaLogLevel.error,
  skipDownload: true,
});
const model = await llama.loadModel({ modelPath: values.model, gpuLayers: gpu ? "max" : 0 });
const rows: (Row & { readonly llamaCpp: number; readonly ratio: number })[] = [];
for (const row of lectern.rows) {
  const kind = row.test.startsWith("prefill") ? "prefill" : "decode";
  const options = { threads, repeat: Number(values.repeat) };
  const llamaCpp = await llamaCppSpeed(model, { ...row, kind }, options);
  rows.push({ ...row, llamaCpp, ratio: row.tokensPerSecond.median / llamaCpp });
}
const [device] = await llama.getGpuDeviceNames();
// It falls back to the CPU by itself.
if (gpu && device === undefined) throw new Error(`llama.cpp found no device for ${gpu}`);
const llamaRunsOn = gpu ? `${device} (${gpu})` : `${threads} CPU threads`;
await llama.dispose();
const report = { adapter: lectern.adapter, model: lectern.model, llamaRunsOn, rows };
console.log(values.json ? JSON.stringify(report) : markdown());
process.exit(0);

function markdown(): string {
  return [
    `${report.model}: Lectern on ${report.adapter}, llama.cpp on ${report.llamaRunsOn}; tokens/s`,
    "",
    "| test | depth | Lectern median (min to max) | llama.cpp median | ratio |",
    "|---|---:|---:|---:|---:|",
    ...rows.map(({ test, depth, tokensPerSecond: { median, min, max }, llamaCpp, ratio }) => {
      const ours = `${median.toFixed(1)} (${min.toFixed(1)} to ${max.toFixed(1)})`;
      return `| ${test} | ${depth} | ${ours} | ${llamaCpp.toFixed(1)} | ${ratio.toFixed(3)} |`;
    }),
  ].join("\n");
}

function llamaGpu(name: string | undefined): "vulkan" | "cuda" | "metal" | false {
  if (name === undefined) return false;
  if (name === "vulkan" || name === "cuda" || name === "metal") return name;
  throw new Error(`--llama-gpu is vulkan, cuda or metal, not ${name}`);
}

function runLectern(): { adapter: string; model: string; rows: Row[] } {
  const { model, prefill, decode, depth, repeat, adapter } = values;
  const args = ["--model", model, "--prefill", prefill, "--decode", decode, "--depth", depth];
  const chosen = adapter === undefined ? [] : ["--adapter", adapter];
  const cli = join(repositoryRoot, "dist/cli.mjs");
  const output = execFileSync(
    process.execPath,
    [cli, "bench", ...args, "--repeat", repeat, ...chosen, "--json"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  // Written by our own command.
  return JSON.parse(output) as ReturnType<typeof runLectern>;
}
