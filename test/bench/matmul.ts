// Times the matrix kernels and prints a Markdown table: npx tsx test/bench/matmul.ts [--first] [--processor]
//      [--shapes TOKENSxCOLSxROWS,…] [format…]
// GFLOP/s for many tokens, microseconds for one. `--first` also shows the first run, which compiles on a CPU.
// `--processor` takes processor time over the number of cores instead of time: for software adapters on busy machines.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { uploadStacked } from "../../src/engine/model/gpuMatrix.ts";
import { createLinear } from "../../src/engine/model/operations/linear.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { randomMatrix } from "../support/matrixSource.ts";
import { randomFloats } from "../support/random.ts";

interface Shape {
  readonly tokens: number;
  readonly cols: number;
  readonly rows: number;
}

/** The pilot's and some around them. */
const ownShapes: readonly Shape[] = [
  { tokens: 1024, cols: 256, rows: 704 },
  { tokens: 1024, cols: 768, rows: 256 },
  { tokens: 512, cols: 512, rows: 512 },
  { tokens: 16, cols: 256, rows: 704 },
  { tokens: 1, cols: 256, rows: 704 },
  { tokens: 1, cols: 768, rows: 256 },
  { tokens: 1, cols: 256, rows: 8192 },
];
const REPEATS = 5;
const TARGET_MS = 100;

const { values: options, positionals: named } = parseArgs({
  allowPositionals: true,
  options: {
    first: { type: "boolean", default: false },
    processor: { type: "boolean", default: false },
    shapes: { type: "string" },
  },
});
const shapes =
  options.shapes?.split(",").map((text): Shape => {
    const [tokens = 0, cols = 0, rows = 0] = text.split("x").map(Number);
    return { tokens, cols, rows };
  }) ?? ownShapes;
// Registry keys are ids.
const formats = (Object.keys(weightFormats) as WeightFormatId[]).filter(
  (format) => named.length === 0 || named.includes(format),
);

const gpu = await openCheckedGpu();
console.log(`${gpu.capabilities.name}, ${gpu.capabilities.backend}\n`);
const titles = shapes.map(({ tokens, cols, rows }) => `${tokens}×${cols}×${rows}`);
console.log(`| format | ${titles.join(" | ")} |\n|---|${titles.map(() => "---:|").join("")}`);
for (const format of formats) {
  const cells: string[] = [];
  for (const shape of shapes) cells.push(await measure(gpu, format, shape));
  console.log(`| ${format} | ${cells.join(" | ")} |`);
}
gpu.dispose();

/** Milliseconds. */
function clock(): number {
  if (!options.processor) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 / availableParallelism();
}

async function measure(
  gpu: Gpu,
  format: WeightFormatId,
  { tokens, cols, rows }: Shape,
): Promise<string> {
  const matrix = await uploadStacked(gpu, [randomMatrix(format, rows, cols).source]);
  const linear = await createLinear(gpu, matrix, { output: "set" });
  const step = createStepBuffer(gpu);
  writeStep(gpu, step, { numTokens: tokens, firstPosition: 0, firstSlot: 0 });
  const input = gpu.buffers.upload("activations", randomFloats(tokens * cols, 1));
  const output = gpu.buffers.allocate({ purpose: "activations", bytes: 4 * tokens * rows });
  const commands = new CommandList();
  linear.encode(commands, { input, output, step }, tokens);

  const time = async (count: number): Promise<number> => {
    const encoder = gpu.device.createCommandEncoder();
    for (let i = 0; i < count; i++) commands.encode(encoder);
    const start = clock();
    gpu.device.queue.submit([encoder.finish()]);
    await gpu.finished();
    return (clock() - start) / count;
  };
  const first = await time(1);
  const count = Math.ceil(TARGET_MS / Math.max(0.01, await time(2)));
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPEATS; i++) best = Math.min(best, await time(count));
  for (const buffer of [input, output, step]) gpu.buffers.release(buffer);

  const gigaflops = (2e-6 * tokens * cols * rows) / best;
  const rate = tokens === 1 ? `${(1000 * best).toPrecision(3)} µs` : gigaflops.toFixed(1);
  return options.first ? `${rate} (${first.toFixed(0)} ms)` : rate;
}
