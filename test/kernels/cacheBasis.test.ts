// hadamard.wgsl and scale_heads.wgsl: what they make of a pass's rows, and that q·k and the output stay as they were.

import assert from "node:assert/strict";
import {
  type CacheRotationId,
  cacheRotations,
  rotationBlock,
} from "../../src/engine/cache/rotation.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { createCacheBasis, queryKeyScales } from "../../src/engine/model/operations/cacheBasis.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { hadamard } from "../reference/hadamard.ts";
import { assertClose } from "../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const TOKENS = 3;
const HEADS = { numHeads: 4, numKvHeads: 2 };

describe("rotation blocks", () => {
  it("are the largest power of two that divides a head", () => {
    const sizes = [8, 64, 80, 96, 128, 256, 100];
    assert.deepEqual(sizes.map(rotationBlock), [8, 64, 16, 32, 128, 256, 4]);
  });
});

describeOnGpu("cache basis", (gpu) => {
  for (const headDim of [8, 64, 80, 96, 128])
    for (const id of Object.keys(cacheRotations) as CacheRotationId[]) {
      if (id !== "on" && headDim !== 80) continue;
      it(`rotates ${id} of heads of ${headDim}`, async () => {
        const qkv = randomFloats(TOKENS * qkvSize({ ...HEADS, headDim }), headDim);
        const { keys, values } = cacheRotations[id];
        const expected = eachHead(qkv, headDim, (head, values_) => {
          const isValue = head >= HEADS.numHeads + HEADS.numKvHeads;
          return (isValue ? values : keys) ? hadamard(values_, rotationBlock(headDim)) : values_;
        });
        assertClose(await entered(gpu(), qkv, { headDim, id }), expected, 1e-5);
      });
    }

  it("does nothing where nothing is asked for", async () => {
    const rotation = cacheRotations.off;
    assert.equal(await createCacheBasis(gpu(), { ...HEADS, headDim: 8 }, { rotation }), undefined);
  });

  it("spreads one value over its block", async () => {
    const headDim = 64;
    const qkv = new Float32Array(TOKENS * qkvSize({ ...HEADS, headDim }));
    qkv[5] = 1;
    const turned = await entered(gpu(), qkv, { headDim, id: "on" });
    assertClose(
      turned.subarray(0, headDim).map(Math.abs),
      new Float32Array(headDim).fill(1 / 8),
      1e-6,
    );
  });

  it("is undone by rotating twice, and by leaving", async () => {
    const headDim = 96;
    const qkv = randomFloats(TOKENS * qkvSize({ ...HEADS, headDim }), 3);
    const once = await entered(gpu(), qkv, { headDim, id: "on" });
    assertClose(await entered(gpu(), once, { headDim, id: "on" }), qkv, 1e-5);
    const output = randomFloats(TOKENS * HEADS.numHeads * headDim, 4);
    const expected = eachHead(output, headDim, (_, head) => hadamard(head, rotationBlock(headDim)));
    assertClose(await left(gpu(), output, headDim), expected, 1e-5);
  });

  it("leaves q·k as it was, rotated, smoothed or both", async () => {
    const headDim = 64;
    const shape = { ...HEADS, headDim };
    const qkv = randomFloats(TOKENS * qkvSize(shape), 6);
    const lambdas = randomFloats(HEADS.numKvHeads * headDim, 7).map((x) => 2 ** (3 * x));
    const scales = queryKeyScales(shape, lambdas);
    for (const [id, scaled] of [
      ["on", false],
      ["off", true],
      ["keys", true],
    ] as const) {
      const basis = { headDim, id, ...(scaled && { scales }) };
      const turned = await entered(gpu(), qkv, basis);
      assert.notDeepEqual([...turned], [...qkv]);
      assertClose(products(turned, headDim), products(qkv, headDim), 1e-4);
    }
  });

  it("multiplies queries by the factors of their KV head and divides its keys", async () => {
    const headDim = 8;
    const shape = { ...HEADS, headDim };
    const qkv = new Float32Array(TOKENS * qkvSize(shape)).fill(1);
    const lambdas = Float32Array.from({ length: 2 * headDim }, (_, i) => 2 ** (i % 5));
    const scales = queryKeyScales(shape, lambdas);
    const turned = await entered(gpu(), qkv, { headDim, id: "off", scales });
    const of = (head: number) => [...turned.subarray(head * headDim, (head + 1) * headDim)];
    const [first, second] = [lambdas.subarray(0, headDim), lambdas.subarray(headDim)];
    assert.deepEqual([0, 1, 2, 3].map(of), [[...first], [...first], [...second], [...second]]);
    assert.deepEqual([4, 5].map(of), [[...first.map((x) => 1 / x)], [...second.map((x) => 1 / x)]]);
    assert.deepEqual([6, 7].map(of), [new Array(8).fill(1), new Array(8).fill(1)]);
  });
});

interface Basis {
  readonly headDim: number;
  readonly id: CacheRotationId;
  readonly scales?: Float32Array;
}

/** Rows behind entering the basis. */
async function entered(gpu: Gpu, qkv: Float32Array, { headDim, id, scales }: Basis) {
  const basis = await createCacheBasis(
    gpu,
    { ...HEADS, headDim },
    { rotation: cacheRotations[id], scales: scales && uploadFloats(gpu, scales) },
  );
  const buffer = uploadFloats(gpu, qkv);
  const commands = new CommandList();
  basis?.enter(commands, { qkv: buffer, step: stepOf(gpu) }, TOKENS);
  run(gpu, commands);
  return readFloats(gpu, buffer, qkv.length);
}

async function left(gpu: Gpu, output: Float32Array, headDim: number) {
  const rotation = cacheRotations.values;
  const basis = await createCacheBasis(gpu, { ...HEADS, headDim }, { rotation });
  const buffer = uploadFloats(gpu, output);
  const commands = new CommandList();
  basis?.leave(commands, { output: buffer, step: stepOf(gpu) }, TOKENS);
  run(gpu, commands);
  return readFloats(gpu, buffer, output.length);
}

function stepOf(gpu: Gpu): GPUBuffer {
  const step = createStepBuffer(gpu);
  writeStep(gpu, step, { numTokens: TOKENS, firstPosition: 0, firstSlot: 0 });
  return step;
}

/** Every head of rows of heads, by its number in the row. */
function eachHead(
  rows: Float32Array,
  headDim: number,
  turn: (head: number, values: Float32Array) => Float32Array,
): Float32Array {
  const perToken = rows.length / TOKENS / headDim;
  const result = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += headDim) {
    const head = (start / headDim) % perToken;
    result.set(turn(head, rows.subarray(start, start + headDim)), start);
  }
  return result;
}

/** q·k of every query head with the key of its KV head, for every pair of tokens. */
function products(qkv: Float32Array, headDim: number): number[] {
  const rowSize = qkv.length / TOKENS;
  const result: number[] = [];
  for (let q = 0; q < TOKENS; q++)
    for (let k = 0; k < TOKENS; k++)
      for (let head = 0; head < HEADS.numHeads; head++) {
        const kvHead = HEADS.numHeads + Math.floor((head * HEADS.numKvHeads) / HEADS.numHeads);
        let sum = 0;
        for (let d = 0; d < headDim; d++)
          sum +=
            at(qkv, q * rowSize + head * headDim + d) * at(qkv, k * rowSize + kvHead * headDim + d);
        result.push(sum);
      }
  return result;
}

function at(values: Float32Array, index: number): number {
  return values[index] ?? Number.NaN;
}
