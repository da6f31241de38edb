// The README's table of a GPU's speed and memory, from the result files of an NVIDIA H200.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownRows } from "../support/markdownRows.ts";
import { repositoryRoot } from "../support/testData.ts";

interface SpeedRow {
  readonly test: string;
  readonly depth: number;
  readonly tokensPerSecond: { readonly median: number };
  /** Lectern's speed over that of llama.cpp. */
  readonly ratio?: number;
}

interface Stream {
  readonly rows: readonly {
    readonly tokens: number;
    readonly gpuBytes: number;
    readonly residentBytes: number;
  }[];
}

interface Policies {
  readonly rows: readonly { readonly policy: string; readonly elapsedMs: readonly number[] }[];
}

interface Decoding {
  readonly rows: readonly {
    readonly mix: string;
    readonly bytesRatio: number;
    readonly elapsedRatio: number;
  }[];
}

const PILOT = "--model test/fixtures/pilot.gguf";

/** The table as Markdown. */
export function speedTable(): string {
  const rows = [pilot(), besideLlamaCpp(), decoding(), policies(), streams()];
  return markdownRows(["measure", "found", "command"], rows);
}

function pilot(): string[] {
  const { rows } = read<{ rows: SpeedRow[] }>("bench-pilot");
  const found = rows
    .filter(({ test, depth }) => test !== "prefill 512" && depth !== 1024)
    .map((row) => `${row.test}${row.depth > 0 ? ` behind ${row.depth}` : ""}: ${pace(row)}`);
  return [
    "the pilot (5.5M parameters, F16), tokens/s",
    found.join("; "),
    code(`npx lectern bench ${PILOT} --prefill 512,4096 --decode 128 --depth 0,1024,8192`),
  ];
}

function besideLlamaCpp(): string[] {
  const { rows } = read<{ rows: SpeedRow[] }>("compare-llama-3.2-1b-q8_0");
  const found = rows.map((row) => `${row.test}: ${pace(row)}, ${row.ratio?.toFixed(2)} of it`);
  return [
    "random weights in Llama-3.2-1B's shape, q8_0, tokens/s beside llama.cpp (Vulkan)",
    found.join("; "),
    code(
      "npx tsx test/bench/compare.ts --model FILE --llama-gpu vulkan --prefill 2048,4096,512 --decode 64 --repeat 5",
    ),
  ];
}

function decoding(): string[] {
  const found = read<Decoding>("cache-decode").rows.find(({ mix }) => mix === "q8_0/q4_0");
  if (!found) throw new Error("the results have no decoding from q8_0/q4_0");
  return [
    "the pilot decoding at 16,384 tokens from keys in q8_0 and values in q4_0",
    `${found.elapsedRatio.toFixed(2)} of f16's time, ${found.bytesRatio.toFixed(3)} of its bytes`,
    code(`npx tsx test/bench/cacheDecode.ts ${PILOT} --rounds 60 --steps 16`),
  ];
}

function policies(): string[] {
  const { rows } = read<Policies>("policies-fourth");
  const names = rows.map(({ policy }) => policy).join(",");
  const [every = 0, fourth = 0] = ["h2o", "h2o:4"].map((policy) =>
    timeOver(rows, policy, "streaming-llm"),
  );
  return [
    "the pilot reading 16,384 tokens under `h2o`, budget 4,096",
    `${every.toFixed(2)} of the time under \`streaming-llm\`, with every 4th query ${fourth.toFixed(2)}`,
    code(`npx tsx test/bench/policies.ts ${PILOT} --text FILE --policies ${names}`),
  ];
}

/** Median over the pieces behind the first, in which drivers compile: other work disturbs single ones. */
function timeOver(rows: Policies["rows"], policy: string, base: string): number {
  const [ms = [], baseMs = []] = [policy, base].map(
    (name) => rows.find((row) => row.policy === name)?.elapsedMs,
  );
  const ratios = ms.map((piece, i) => piece / (baseMs[i] ?? Number.NaN)).slice(1);
  return ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? Number.NaN;
}

function streams(): string[] {
  const found = ["stories260k", "pilot", "embedded"].flatMap((model) =>
    ["h2o", "streaming-llm"].map((policy) => {
      const result = read<Stream>(`stream-${model}-${policy}-4096`);
      const rows = result.rows.filter(({ tokens }) => tokens >= 65_536);
      const gpu = span(rows.map(({ gpuBytes }) => gpuBytes));
      const resident = span(rows.map(({ residentBytes }) => residentBytes)) / 2 ** 20;
      return `${model}, \`${policy}\`: ${gpu} bytes and ${resident.toFixed(1)} MiB`;
    }),
  );
  return [
    "a million tokens at a budget of 4,096: by how much bytes on the GPU and resident memory differ from 65,536 tokens on",
    found.join("; "),
    code(
      "node --expose-gc --import=tsx test/bench/stream.ts --model FILE --text FILE --policy POLICY",
    ),
  ];
}

/** In tokens per second. */
function pace({ tokensPerSecond }: SpeedRow): string {
  return Math.round(tokensPerSecond.median).toLocaleString("en");
}

function span(numbers: readonly number[]): number {
  return Math.max(...numbers) - Math.min(...numbers);
}

function read<Result>(name: string): Result {
  const path = join(repositoryRoot, "test/bench/results", `${name}-h200.json`);
  // Written by the benches.
  return JSON.parse(readFileSync(path, "utf8")) as Result;
}

function code(text: string): string {
  return `\`${text}\``;
}
