// What cache types cost: perplexity, divergence from f16 and bytes of each mix on one text, as JSON and a Markdown table in
// test/bench/results/NAME.{json,md}. Teacher-forced perplexity says how far predictions move; it is no evidence of memory.
// npx tsx test/bench/cacheTypes.ts --text FILE --calibrate OTHER [--model FILE.gguf] [--tokens N] [--windows N]
//      [--save NAME], by default cache-types
// A row that the JSON holds for the same model, text and lengths is not measured again, so that a run can be resumed.

import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { saveCalibration } from "../../src/engine/cache/calibration.ts";
import { fileVersion, modelDigest } from "../../src/engine/cache/modelDigest.ts";
import { calibrationSettings } from "../../src/engine/calibrateModel.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import type { LanguageModel } from "../../src/engine/languageModel.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import type { ModelSettings } from "../../src/protocol.ts";
import { repositoryRoot } from "../support/testData.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModelPath() },
    text: { type: "string", default: "" },
    calibrate: { type: "string", default: "" },
    tokens: { type: "string", default: "1000" },
    windows: { type: "string", default: "2" },
    save: { type: "string", default: "cache-types" },
  },
});
const numTokens = Number(options.tokens);
const numWindows = Number(options.windows);
/** The length that bytes are compared at. */
const DEPTH = 16_384;
/** Windows begin behind titles and contents. */
const FIRST_TOKEN = 8192;
const resultPath = join(repositoryRoot, "test/bench/results", options.save);

const of = (cacheTypeK: string, cacheTypeV: string, more: ModelSettings = {}): ModelSettings => ({
  cacheTypeK,
  cacheTypeV,
  ...more,
});
const rotated = { cacheRotation: "on" };
const smoothed = { cacheSmoothing: "on" };
const configurations: readonly ModelSettings[] = [
  of("f16", "f16"),
  of("q8_0", "q8_0"),
  of("q8_0", "q4_0"),
  of("q8_0", "flexgen4"),
  of("q4_0", "q4_0"),
  of("flexgen4", "flexgen4"),
  of("kivi4", "q4_0"),
  of("q8_0", "q4_0", { cacheRotation: "values" }),
  of("q8_0", "q4_0", { cacheResidual: 64 }),
  of("q4_0", "q4_0", rotated),
  of("q4_0", "q4_0", smoothed),
  of("q4_0", "q4_0", { ...rotated, ...smoothed }),
  of("q4_0", "q4_0", { cacheResidual: 64 }),
  of("kivi4", "q4_0", { cacheResidual: 64 }),
];

interface Row {
  readonly settings: ModelSettings;
  readonly meanNll: number;
  /** Mean over positions of KL(f16 ‖ this), in nat. */
  readonly meanKl: number;
  readonly bytesPerToken: number;
  /** At DEPTH tokens, what does not grow with them included. */
  readonly bytesRatio: number;
}

interface Result {
  readonly adapter: string;
  readonly model: string;
  readonly digest: string;
  readonly text: string;
  readonly calibratedOn: string;
  readonly tokens: number;
  readonly windows: number;
  readonly rows: readonly Row[];
}

const gpu = await openCheckedGpu();
const folder = mkdtempSync(join(tmpdir(), "lectern-cache-types-"));
try {
  await measure(gpu);
} finally {
  rmSync(folder, { recursive: true, force: true });
  gpu.dispose();
}

async function measure(gpu: Gpu): Promise<void> {
  const digest = createHash("sha256").update(readFileSync(options.model)).digest("hex");
  const head = {
    adapter: gpu.capabilities.name,
    digest,
    text: basename(options.text),
    calibratedOn: basename(options.calibrate),
    tokens: numTokens,
    windows: numWindows,
  };
  let rows = knownRows(head);
  await calibrate(gpu);
  const base = await run(gpu, of("f16", "f16"));
  for (const settings of configurations) {
    const key = JSON.stringify(settings);
    if (rows.some((row) => JSON.stringify(row.settings) === key)) continue;
    const { logProbabilities, ...row } = await run(gpu, settings);
    const meanKl = divergence(base.logProbabilities, logProbabilities);
    const bytesRatio = row.bytesAtDepth / base.bytesAtDepth;
    const { meanNll, bytesPerToken } = row;
    rows = [...rows, { settings, meanNll, meanKl, bytesPerToken, bytesRatio }];
    save({ model: base.name, ...head, rows });
  }
}

/** Rows measured before under the same head. */
function knownRows(head: Omit<Result, "rows" | "model">): readonly Row[] {
  if (!existsSync(`${resultPath}.json`)) return [];
  // Written by this script.
  const known = JSON.parse(readFileSync(`${resultPath}.json`, "utf8")) as Result;
  const isSame = Object.entries(head).every(
    ([name, value]) => known[name as keyof typeof head] === value,
  );
  return isSame ? known.rows : [];
}

async function calibrate(gpu: Gpu): Promise<void> {
  const path = options.model;
  const version = await fileVersion(path);
  const digest = await modelDigest(path, { folder, version });
  const model = await loadModel(gpu, path, calibrationSettings({ cacheDir: folder }));
  try {
    const text = readFileSync(options.calibrate, "utf8").slice(0, 200_000);
    const tokens = model.tokenizer.encode(text).slice(FIRST_TOKEN, FIRST_TOKEN + numTokens);
    if (!model.keeper || digest === undefined) throw new Error("the model has no cache");
    await model.keeper.read(tokens, {});
    const lambdas = await model.keeper.keyLambdas();
    await saveCalibration({ tokens: tokens.length, lambdas }, { digest, folder });
  } finally {
    model.dispose();
  }
}

async function run(gpu: Gpu, settings: ModelSettings) {
  const model = await loadModel(gpu, options.model, { ...settings, cacheDir: folder });
  try {
    const windows = windowsOf(model);
    const logProbabilities: Float32Array[] = [];
    let sum = 0;
    for (const tokens of windows) {
      await model.keeper?.read([0], {});
      await model.keeper?.readLogits(tokens, (first, logits) => {
        const vocabSize = model.tokenizer.vocabSize;
        for (let row = 0; row * vocabSize < logits.length; row++) {
          const target = tokens[first + row + 1];
          const values = logSoftmax(logits.subarray(row * vocabSize, (row + 1) * vocabSize));
          logProbabilities.push(values);
          if (target !== undefined) sum -= values[target] ?? Number.NaN;
        }
      });
    }
    const { bytesPerToken, bytesByPurpose } = model.cacheStats();
    return {
      name: model.name,
      logProbabilities,
      meanNll: sum / (windows.length * (numTokens - 1)),
      bytesPerToken,
      bytesAtDepth: DEPTH * bytesPerToken + (bytesByPurpose?.tail ?? 0),
    };
  } finally {
    model.dispose();
  }
}

function windowsOf(model: LanguageModel): number[][] {
  const text = readFileSync(options.text, "utf8").slice(0, 2_000_000);
  const all = model.tokenizer.encode(text);
  const [bos = 0] = model.tokenizer.encode("", { addSpecial: true });
  return Array.from({ length: numWindows }, (_, window) => {
    const first = FIRST_TOKEN * (window + 1);
    return [bos, ...all.slice(first, first + numTokens - 1)];
  });
}

function logSoftmax(logits: Float32Array): Float32Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of logits) largest = Math.max(largest, value);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  const total = largest + Math.log(sum);
  return logits.map((value) => value - total);
}

/** Mean over positions of Σ p (ln p − ln q). */
function divergence(p: readonly Float32Array[], q: readonly Float32Array[]): number {
  let sum = 0;
  for (const [position, of] of p.entries()) {
    const other = q[position];
    if (other === undefined) throw new Error("the runs have different lengths");
    for (const [token, value] of of.entries())
      sum += Math.exp(value) * (value - (other[token] ?? Number.NaN));
  }
  return sum / p.length;
}

function save(result: Result): void {
  writeFileSync(`${resultPath}.json`, `${JSON.stringify(result, null, 1)}\n`);
  const { rows, model, adapter, text, tokens, windows, calibratedOn } = result;
  const cells = rows.map(({ settings, meanNll, meanKl, bytesPerToken, bytesRatio }) => [
    `${settings.cacheTypeK}/${settings.cacheTypeV}`,
    describe(settings),
    Math.exp(meanNll).toFixed(3),
    `${(100 * (Math.exp(meanNll - (rows[0]?.meanNll ?? 0)) - 1)).toFixed(2)} %`,
    meanKl.toExponential(2),
    `${bytesPerToken}`,
    bytesRatio.toFixed(3),
  ]);
  const lines = [
    `${model} on ${adapter}; ${windows} × ${tokens} tokens of ${text}, every query over the cache; smoothing calibrated on ${calibratedOn}.`,
    "Perplexity and divergence say how far predictions move when keys and values are rounded. They are no evidence of memory.",
    "",
    `| keys/values | beside | perplexity | more than f16 | KL from f16, nat | bytes a token | of f16's bytes at ${DEPTH} tokens |`,
    "|---|---|---:|---:|---:|---:|---:|",
    ...cells.map((row) => `| ${row.join(" | ")} |`),
    "",
  ];
  writeFileSync(`${resultPath}.md`, lines.join("\n"));
}

function describe({ cacheRotation, cacheSmoothing, cacheResidual }: ModelSettings): string {
  const parts = [
    cacheRotation && `rotation ${cacheRotation}`,
    cacheSmoothing && "smoothing",
    cacheResidual && `residual ${cacheResidual}`,
  ];
  return parts.filter(Boolean).join(", ");
}
