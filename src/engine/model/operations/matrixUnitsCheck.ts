// Whether an adapter's matrix units compute what they should: a product, a prefill attention and a record of attention, each of
// several tiles that are not full, beside the same on the host. Drivers implement matrix units as an extension, and some of them wrongly.

import { RECORDED_SLOTS, sumsSource } from "../../cache/recordKernels.ts";
import { BufferUsage } from "../../gpu/bufferUsage.ts";
import { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import { uploadStacked } from "../gpuMatrix.ts";
import { createStepBuffer, writeStep } from "../step.ts";
import { HALF_VALUES, halfBits } from "../weightFormats/float16.ts";
import { type AttentionShape, prefillGrid, prefillSource } from "./attentionKernels.ts";
import { linearSources, matmulGrid } from "./linearKernels.ts";
import { qkvSize } from "./rope.ts";

// More of each than the larger of the kernels' tiles holds, and whole tiles of none.
const PRODUCT = { rows: 131, cols: 100, tokens: 131 };
const ATTENTION: AttentionShape = {
  numHeads: 2,
  numKvHeads: 1,
  headDim: 32,
  // Large enough that some weights are many times others.
  scale: 2,
  window: 0,
  keyType: "f16",
  valueType: "f16",
};
const ATTENTION_TOKENS = 80;
// The kernel's longest tile. Keys in it are small: what comes behind outweighs it, so that results so far have to be scaled.
const FIRST_TILE = 64;
// Values below 1 in f16 are off by 2^-12 at most: sums of 100 products by far less than this, what is wrong by far more.
const TOLERANCE = 0.01;

/**
 * Run what models use matrix units for.
 * @throws Error that says in a sentence what went wrong
 */
export async function checkMatrixUnits(gpu: Gpu): Promise<void> {
  const own: GPUBuffer[] = [];
  try {
    const trials = [encodeProducts, encodeAttention, encodeRecord];
    const results = (await Promise.all(trials.map((encode) => encode(gpu, own)))).flat();
    gpu.submit(results.map(({ commands }) => commands));
    // The host computes while the GPU does.
    for (const { name, output, expected } of results) {
      const wanted = expected();
      compare(name, new Float32Array(await gpu.read(output, 0, wanted.byteLength)), wanted);
    }
  } finally {
    for (const buffer of own) gpu.buffers.release(buffer);
    await gpu.kernels.forgetBindings();
  }
}

/** Commands on the GPU, where their output will be, and the same on the host. */
interface Trial {
  readonly name: string;
  readonly commands: CommandList;
  readonly output: GPUBuffer;
  expected(): Float32Array;
}

// In tiles of either size, whichever models would take for so small a product.
async function encodeProducts(gpu: Gpu, own: GPUBuffer[]): Promise<Trial[]> {
  const { rows, cols, tokens } = PRODUCT;
  const weights = halves(rows * cols, 1);
  const inputs = halves(tokens * cols, 2);
  const bytes = new Uint8Array(weights.bits.buffer);
  const source = {
    ...({ tensor: "check", format: "f16", rows, cols } as const),
    async *slices() {
      yield { firstRow: 0, numRows: rows, bytes };
    },
  };
  const matrix = await uploadStacked(gpu, [source]);
  const [slice] = matrix.slices;
  if (slice === undefined) throw new Error("a matrix has a slice");
  const input = gpu.buffers.upload("activations", inputs.values);
  const step = stepOf(gpu, tokens);
  own.push(slice.quants, slice.shape, input, step);
  const expected = (): Float32Array =>
    Float32Array.from({ length: tokens * rows }, (_, i) =>
      dot(
        { values: inputs.values, from: Math.floor(i / rows) * cols },
        { values: weights.values, from: (i % rows) * cols },
        cols,
      ),
    );
  const variant = { format: "f16", output: "set", hasBias: false, rows, cols } as const;
  const { matmul, wideMatmul } = linearSources(gpu.capabilities, variant);
  return Promise.all(
    [matmul, ...(wideMatmul ? [wideMatmul] : [])].map(async (tiled): Promise<Trial> => {
      const kernel = await gpu.kernels.get(tiled.kernel);
      const output = gpu.buffers.allocate({ purpose: "activations", bytes: 4 * tokens * rows });
      own.push(output);
      const commands = new CommandList();
      const bindings = [input, output, slice.shape, step, slice.quants];
      commands.dispatch(kernel, bindings, matmulGrid(tiled, rows, tokens));
      const name = `a matrix product in tiles of ${tiled.rows} rows`;
      return { name, commands, output, expected };
    }),
  );
}

async function encodeAttention(gpu: Gpu, own: GPUBuffer[]): Promise<Trial> {
  const { numHeads, headDim, numKvHeads, scale } = ATTENTION;
  const tokens = ATTENTION_TOKENS;
  const rowSize = qkvSize(ATTENTION);
  // With log-sum-exps: devices that split passes write them whatever the shape asks for.
  const shape = { ...ATTENTION, lse: "all" } as const;
  const kernel = await gpu.kernels.get(prefillSource(gpu.capabilities, shape, "all"));
  const qkv = halves(tokens * rowSize, 3);
  const keys = halves(tokens * headDim, 4, (i) => (i < FIRST_TILE * headDim ? 0.25 : 1));
  const values = halves(tokens * headDim, 5);
  const upload = (data: ArrayBufferView): GPUBuffer => gpu.buffers.upload("activations", data);
  const output = gpu.buffers.allocate({
    purpose: "activations",
    bytes: 4 * tokens * numHeads * headDim,
  });
  const heads = gpu.buffers.upload("parameters", new Int32Array(4 * numKvHeads), {
    usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
  });
  const bindings = [
    ...[qkv.values, keys.bits, values.bits].map(upload),
    output,
    stepOf(gpu, tokens),
    heads,
    gpu.buffers.allocate({ purpose: "activations", bytes: 4 * tokens * numHeads }),
  ];
  own.push(...bindings);
  const commands = new CommandList();
  commands.dispatch(kernel, bindings, prefillGrid(ATTENTION, tokens));
  const expected = (): Float32Array => {
    const result = new Float32Array(tokens * numHeads * headDim);
    for (let token = 0; token < tokens; token++) {
      for (let head = 0; head < numHeads; head++) {
        const query = { values: qkv.values, from: token * rowSize + head * headDim };
        const weights = Array.from({ length: token + 1 }, (_, slot) =>
          Math.exp(scale * dot(query, { values: keys.values, from: slot * headDim }, headDim)),
        );
        const sum = weights.reduce((all, weight) => all + weight, 0);
        for (const [slot, weight] of weights.entries()) {
          for (let d = 0; d < headDim; d++) {
            result[(token * numHeads + head) * headDim + d]! +=
              (weight / sum) * values.values[slot * headDim + d]!;
          }
        }
      }
    }
    return result;
  };
  return { name: "attention", commands, output, expected };
}

/** The most attention that each slot gets, from log-sum-exps of the host's. */
async function encodeRecord(gpu: Gpu, own: GPUBuffer[]): Promise<Trial> {
  const { numHeads, headDim, numKvHeads, scale } = ATTENTION;
  const tokens = ATTENTION_TOKENS;
  const rowSize = qkvSize(ATTENTION);
  // Weights of a maximum are at most 1, which the tolerance is for.
  const kernel = await gpu.kernels.get(sumsSource(gpu.capabilities, ATTENTION, true));
  const qkv = halves(tokens * rowSize, 6);
  const keys = halves(tokens * headDim, 7);
  const score = (token: number, head: number, slot: number): number =>
    scale *
    dot(
      { values: qkv.values, from: token * rowSize + head * headDim },
      { values: keys.values, from: slot * headDim },
      headDim,
    );
  const lse = Float32Array.from({ length: tokens * numHeads }, (_, row) => {
    const token = Math.floor(row / numHeads);
    let sum = 0;
    for (let slot = 0; slot <= token; slot++) sum += Math.exp(score(token, row % numHeads, slot));
    return Math.log2(sum);
  });
  const uniform = (words: ArrayBufferView): GPUBuffer =>
    gpu.buffers.upload("parameters", words, {
      usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
    });
  const output = gpu.buffers.allocate({ purpose: "activations", bytes: 4 * tokens });
  const bindings = [
    ...[qkv.values, keys.bits, lse].map((data) => gpu.buffers.upload("activations", data)),
    ...[output, stepOf(gpu, tokens)],
    // All queries, all slots.
    ...[Uint32Array.of(0, 1, tokens, 0, 0, tokens, 0, tokens), new Int32Array(4 * numKvHeads)].map(
      uniform,
    ),
  ];
  own.push(...bindings);
  const commands = new CommandList();
  commands.dispatch(kernel, bindings, [Math.ceil(tokens / RECORDED_SLOTS), numKvHeads]);
  const expected = (): Float32Array =>
    Float32Array.from({ length: tokens }, (_, slot) => {
      let largest = 0;
      for (let token = slot; token < tokens; token++)
        for (let head = 0; head < numHeads; head++) {
          const row = lse[token * numHeads + head] ?? 0;
          largest = Math.max(largest, Math.exp(score(token, head, slot)) / 2 ** row);
        }
      return largest;
    });
  return { name: "the record of attention", commands, output, expected };
}

function stepOf(gpu: Gpu, numTokens: number): GPUBuffer {
  const step = createStepBuffer(gpu);
  writeStep(gpu, step, { numTokens, firstPosition: 0, firstSlot: 0 });
  return step;
}

interface Values {
  readonly values: Float32Array;
  readonly from: number;
}

function dot(a: Values, b: Values, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += (a.values[a.from + i] ?? 0) * (b.values[b.from + i] ?? 0);
  return sum;
}

/** Scattered numbers between -1 and 1 times a factor, as f16 has them. */
function halves(
  count: number,
  seed: number,
  factor = (_: number) => 1,
): { values: Float32Array; bits: Uint16Array } {
  const bits = Uint16Array.from({ length: count }, (_, i) =>
    halfBits((factor(i) * ((((i + 1) * (7919 + 2 * seed)) % 2003) - 1001)) / 1001),
  );
  return { values: Float32Array.from(bits, (half) => HALF_VALUES[half] ?? 0), bits };
}

function compare(name: string, actual: Float32Array, expected: Float32Array): void {
  // Written so that NaN counts as wrong.
  const wrong = expected.filter((value, i) => !(Math.abs((actual[i] ?? 0) - value) <= TOLERANCE));
  if (wrong.length > 0) {
    throw new Error(`${name} has ${wrong.length} wrong values of ${expected.length}.`);
  }
}
