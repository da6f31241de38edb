// What attention to a quarter of the blocks costs beside dense attention: one layer's pass over a filled cache, the choice of
// the blocks included, the methods in turn so that whatever else the machine does weighs on all alike.
// Run: npx tsx test/bench/sparsity.ts [--context 16384] [--passes 256,1024] [--threshold 0.25] [--repeat 3] [--runs 1]
//      [--matrix-units auto | off] [--busy 1024] [--type f16] [--heads 4] [--kv-heads 2] [--head-dim 64] [--only METHOD] [--profile]
// A Markdown table of processor time over the number of cores, and of time. `--runs` passes are submitted at once: a GPU needs
// many, or the wait for it is most of the time. `--busy` workgroups are enough: dense passes with fewer are split, 1 splits none.
// `--profile` adds the GPU's time kernel by kernel, of one pass in a series of `--runs`.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { cacheTypeOf } from "../../src/engine/cache/types.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import { timeKernels } from "../../src/engine/gpu/profiler.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { type PrefillSelectorId, prefillSelectors } from "../../src/engine/model/sparsity/index.ts";
import {
  createSparsePrefill,
  type SparsePrefill,
} from "../../src/engine/model/sparsity/sparsePrefill.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { setUpAttention } from "../support/attentionCase.ts";
import { randomFloats } from "../support/random.ts";

const { values } = parseArgs({
  options: {
    context: { type: "string", default: "16384" },
    passes: { type: "string", default: "256,1024" },
    threshold: { type: "string", default: "0.25" },
    repeat: { type: "string", default: "3" },
    runs: { type: "string", default: "1" },
    "matrix-units": { type: "string", default: "auto" },
    busy: { type: "string" },
    only: { type: "string" },
    type: { type: "string", default: "f16" },
    heads: { type: "string", default: "4" },
    "kv-heads": { type: "string", default: "2" },
    "head-dim": { type: "string", default: "64" },
    profile: { type: "boolean", default: false },
  },
});
const context = Number(values.context);
const runs = Number(values.runs);
const headDim = Number(values["head-dim"]);
const type = cacheTypeOf(values.type, headDim, "values");
const shape = {
  numHeads: Number(values.heads),
  numKvHeads: Number(values["kv-heads"]),
  headDim,
  scale: 1 / Math.sqrt(headDim),
  window: 0,
  keyType: type,
  valueType: type,
};

interface Runner {
  readonly name: string;
  readonly commands: CommandList;
  readonly sparse?: SparsePrefill;
  processorMs: number;
  elapsedMs: number;
}

const busyWorkgroups = Number(values.busy);
const gpu = await openCheckedGpu({
  ...(values["matrix-units"] === "off" && { matrixUnits: "off" }),
  ...(values.busy && { restrict: (offered) => ({ ...offered, busyWorkgroups }) }),
});
console.log(
  `${gpu.capabilities.name}: ${values.heads} heads of ${headDim} in ${values["kv-heads"]} groups, ${type}, ${context} slots\n\n| queries | method | blocks attended | processor ms | of dense | elapsed ms | of dense |\n|---:|---|---:|---:|---:|---:|---:|`,
);
const qkv = randomFloats(context * qkvSize(shape), 1);
for (const tokens of values.passes.split(",").map(Number)) await compare(tokens);
gpu.dispose();

/** One pass of so many queries at the end of the context, by every method. */
async function compare(tokens: number): Promise<void> {
  const { attention, buffers } = await setUpAttention(gpu, shape, { qkv, tokens });
  const dense = new CommandList();
  attention.encodePrefill(dense, buffers, tokens, context);
  const unmeasured = { processorMs: Number.POSITIVE_INFINITY, elapsedMs: Number.POSITIVE_INFINITY };
  const runners: Runner[] = [{ name: "dense", commands: dense, ...unmeasured }];
  // Registry keys are ids.
  for (const id of Object.keys(prefillSelectors) as PrefillSelectorId[]) {
    if (values.only !== undefined && !values.only.split(",").includes(id)) continue;
    const plan = { id, selector: prefillSelectors[id], threshold: Number(values.threshold) };
    const parts = { shape, numLayers: 1, chunkLength: tokens };
    const sparse = await createSparsePrefill(gpu, plan, parts);
    sparse.reserve(context);
    sparse.begin();
    const commands = new CommandList();
    sparse.encode(commands, 0, buffers, { tokens, cacheLength: context });
    runners.push({ name: id, commands, sparse, ...unmeasured });
  }
  const shares = new Map<string, string>();
  for (const { name, commands, sparse } of runners) {
    // The first run compiles on a CPU, and says how many blocks one pass attends to.
    await submit(commands, 1);
    const { blocksAttended = 1 } = (await sparse?.stats()) ?? {};
    shares.set(name, blocksAttended.toFixed(3));
  }
  for (let turn = 0; turn < Number(values.repeat); turn++) {
    for (const runner of runners) {
      const processor = process.cpuUsage();
      const beganMs = performance.now();
      await submit(runner.commands, runs);
      const { user, system } = process.cpuUsage(processor);
      const processorMs = (user + system) / 1000 / availableParallelism() / runs;
      runner.processorMs = Math.min(runner.processorMs, processorMs);
      runner.elapsedMs = Math.min(runner.elapsedMs, (performance.now() - beganMs) / runs);
    }
  }
  for (const { name, processorMs, elapsedMs } of runners) {
    const [base = { processorMs, elapsedMs }] = runners;
    const cells = [
      tokens,
      name,
      shares.get(name),
      processorMs.toPrecision(3),
      (processorMs / base.processorMs).toFixed(2),
      elapsedMs.toPrecision(3),
      (elapsedMs / base.elapsedMs).toFixed(2),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
  if (values.profile) for (const runner of runners) await profile(tokens, runner);
  for (const { sparse } of runners) sparse?.dispose();
}

async function profile(tokens: number, { name, commands }: Runner): Promise<void> {
  const { kernels } = await timeKernels(gpu, () => submit(commands, runs));
  const times = kernels.map(
    ({ kernel, totalMs }) => `${kernel} ${((1000 * totalMs) / runs).toFixed(1)}`,
  );
  console.log(`${tokens} queries, ${name}, µs: ${times.join(", ")}`);
}

async function submit(commands: CommandList, count: number): Promise<void> {
  gpu.submit(Array.from({ length: count }, () => commands));
  await gpu.finished();
}
