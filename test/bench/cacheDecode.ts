// Decoding with each mix of cache types at a depth of context, interleaved in one run, so that a busy machine slows all alike:
// npx tsx test/bench/cacheDecode.ts [--model FILE.gguf] [--depth N] [--rounds N] [--steps N] [--save NAME] [K/V or K/V+RESIDUAL…]. A round times
// `--steps` steps submitted at once: a GPU needs many, or the wait for it is most of the time. With --save JSON and a Markdown table
// go to test/bench/results/NAME.{json,md}, such as cache-decode. The caches hold random rows: speed does not depend on what they say.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { KvCache } from "../../src/engine/cache/kvCache.ts";
import { planTail } from "../../src/engine/cache/tail.ts";
import { cacheTypesOf } from "../../src/engine/cache/types.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import { createDecoder, type Decoder } from "../../src/engine/model/decoder.ts";
import { uploadWeights } from "../../src/engine/model/decoderWeights.ts";
import { openModel } from "../../src/engine/model/loadWeights.ts";
import { createAttention } from "../../src/engine/model/operations/attention.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { ropeScalingOf } from "../../src/engine/model/rope/index.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import { randomFloats } from "../support/random.ts";
import { repositoryRoot } from "../support/testData.ts";

const FILLED_AT_ONCE = 256;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: embeddedModelPath() },
    depth: { type: "string", default: "16384" },
    rounds: { type: "string", default: "40" },
    steps: { type: "string", default: "2" },
    save: { type: "string" },
  },
});
const depth = Number(options.depth);
const steps = Number(options.steps);
const mixes =
  positionals.length > 0
    ? positionals
    : [
        "f16/f16",
        "q8_0/q8_0",
        "q8_0/q4_0",
        "q8_0/q4_0+64",
        "q8_0/flexgen4",
        "q4_0/q4_0",
        "flexgen4/flexgen4",
      ];

const gpu = await openCheckedGpu();
const file = await openModel(options.model);
const { config } = file;
const weights = await uploadWeights(gpu, file);
const contextLength = depth + steps + 1;
const ropes = config.layers.map(({ rope }) =>
  ropeScalingOf("none", rope).frequencies(rope, { contextLength }),
);

interface Filled {
  readonly mix: string;
  readonly decoder: Decoder;
  readonly bytesPerToken: number;
  /** At the depth. */
  readonly bytes: number;
  readonly rounds: StepTime[];
}

interface StepTime {
  readonly elapsedMs: number;
  /** Of all cores together. */
  readonly processorMs: number;
}

const filled: Filled[] = [];
for (const mix of mixes) filled.push(await fill(mix));
for (const each of filled) await step(each);
for (let round = 0; round < Number(options.rounds); round++)
  for (const each of filled) each.rounds.push(await step(each));

const [base] = filled;
if (base === undefined) throw new Error("name at least one mix of types");
const rows = filled.map(({ mix, bytesPerToken, bytes, rounds }) => {
  // Of each round, so that what else the machine does cancels out.
  const ratio = (time: keyof StepTime): number =>
    median(rounds.map((each, round) => each[time] / (base.rounds[round]?.[time] ?? Number.NaN)));
  return {
    mix,
    bytesPerToken,
    bytesRatio: bytes / base.bytes,
    elapsedMs: median(rounds.map(({ elapsedMs }) => elapsedMs)),
    processorMs: median(rounds.map(({ processorMs }) => processorMs)),
    elapsedRatio: ratio("elapsedMs"),
    processorRatio: ratio("processorMs"),
  };
});
const result = {
  adapter: gpu.capabilities.name,
  model: file.file.metadata.values.get("general.name"),
  depth,
  rounds: Number(options.rounds),
  steps,
  base: base.mix,
  rows,
};
const table = [
  `Decoding at ${depth} tokens of context, ${result.model} on ${result.adapter}, medians of ${result.rounds} rounds; ratios to ${base.mix} in the same round.`,
  "",
  "| keys/values | bytes a token | of its bytes at the depth | ms a step | processor ms | of its time | of its processor time |",
  "|---|---:|---:|---:|---:|---:|---:|",
  ...rows.map((row) => {
    const times = [row.elapsedMs, row.processorMs].map((ms) => ms.toPrecision(3));
    const ratios = [row.elapsedRatio, row.processorRatio].map((ratio) => ratio.toFixed(2));
    const cells = [row.bytesPerToken, row.bytesRatio.toFixed(3), ...times, ...ratios];
    return `| ${row.mix} | ${cells.join(" | ")} |`;
  }),
  "",
].join("\n");
process.stdout.write(table);
if (options.save !== undefined) {
  const path = join(repositoryRoot, "test/bench/results", options.save);
  writeFileSync(`${path}.json`, `${JSON.stringify(result, null, 1)}\n`);
  writeFileSync(`${path}.md`, table);
}
await file.close();
gpu.dispose();

/** A decoder whose cache of these types holds `depth` random rows in every layer and head. */
async function fill(mix: string): Promise<Filled> {
  const [types = "", residual = "0"] = mix.split("+");
  const [cacheTypeK, cacheTypeV] = types.split("/");
  if (!cacheTypeK || !cacheTypeV) throw new Error(`${mix} names no two types`);
  const { typeK, typeV } = cacheTypesOf({ cacheTypeK, cacheTypeV }, config.headDim);
  const { numLayers, numHeads, numKvHeads, headDim } = config;
  const heads = { numHeads, numKvHeads, headDim };
  const tail = planTail({ cacheResidual: Number(residual) }, { typeK, typeV, plan: undefined });
  const sizes = { numLayers, ...heads, typeK, typeV, maxSlots: contextLength };
  const shape = { ...sizes, ...(tail && { tail }) };
  const cache = new KvCache(gpu, shape);
  const model = { config, weights, cache };
  const decoder = await createDecoder(gpu, model, { chunkLength: FILLED_AT_ONCE, ropes });
  await decoder.reserve(cache.slotsFor(contextLength, 0));
  const stored = { keyType: typeK, valueType: typeV };
  const attention = await createAttention(gpu, { ...heads, scale: 1, window: 0, ...stored });
  const qkv = gpu.buffers.upload(
    "activations",
    randomFloats(FILLED_AT_ONCE * qkvSize(heads), mix.length),
  );
  const stepBuffer = createStepBuffer(gpu);
  const unused = { output: qkv, partial: qkv, statistics: qkv };
  for (let slot = 0; slot < depth; slot += FILLED_AT_ONCE) {
    const numTokens = Math.min(FILLED_AT_ONCE, depth - slot);
    writeStep(gpu, stepBuffer, { numTokens, firstPosition: slot, firstSlot: slot });
    const commands = new CommandList();
    for (const layer of cache.layers)
      attention.encodeStore(
        commands,
        { qkv, cache: layer, step: stepBuffer, ...unused },
        numTokens,
      );
    gpu.submit([commands]);
  }
  decoder.sampler.begin({ temperature: 0 }, []);
  const { bytesPerToken } = cache.stats();
  const bytes = depth * bytesPerToken + (cache.tail?.bytes ?? 0);
  return { mix, decoder, bytesPerToken, bytes, rounds: [] };
}

/** The time of a step, mean over a few. */
async function step({ decoder }: Filled): Promise<StepTime> {
  writeStep(gpu, decoder.outputStep, { numTokens: 1, firstPosition: 0, firstSlot: 0 });
  writeStep(gpu, decoder.decodeStep, {
    numTokens: 1,
    firstPosition: depth - steps,
    firstSlot: depth - steps,
  });
  await gpu.finished();
  const beganMs = performance.now();
  const processor = process.cpuUsage();
  gpu.submit(Array.from({ length: steps }, () => decoder.decodeList(depth)));
  await gpu.finished();
  const { user, system } = process.cpuUsage(processor);
  return {
    elapsedMs: (performance.now() - beganMs) / steps,
    processorMs: (user + system) / 1000 / steps,
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
