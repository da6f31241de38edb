// The log-sum-exps that attention leaves of a repeat, over sinks, the slots that are repeated and the repeat itself, against
// the host: by one invocation a row, in parts of the slots, and on matrix units.

import { BufferUsage } from "../../src/engine/gpu/bufferUsage.ts";
import { type Capabilities, withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { qkvSize } from "../../src/engine/model/operations/rope.ts";
import { at, attention as referenceAttention } from "../reference/operations.ts";
import { setUpAttention } from "../support/attentionCase.ts";
import { assertClose } from "../support/close.ts";
import { readFloats, run, useGpu, useMatrixUnits } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

const NUM_KV_HEADS = 2;
// Slots in front of the repeat and tokens of it: two parts where passes are split.
const BEFORE = 1100;
const TOKENS = 37;
const SINKS = 4;
// The slots that are repeated: in both parts.
const [FIRST, END] = [300, 900];

describe("log-sum-exps of a repeat", function () {
  this.timeout(180_000);
  compare(useGpu(), { headDim: 8, type: "f32", tolerance: 1e-4 });
});

describe("log-sum-exps of a repeat split into parts, without f16 and subgroups", function () {
  this.timeout(180_000);
  const restrict = (offered: Capabilities): Capabilities => ({
    ...withoutOptionalFeatures(offered),
    busyWorkgroups: 1024,
  });
  compare(useGpu({ restrict }), { headDim: 8, type: "f32", tolerance: 1e-4 });
});

describe("log-sum-exps of a repeat on matrix units", function () {
  this.timeout(180_000);
  compare(useMatrixUnits(), { headDim: 16, type: "f16", tolerance: 4e-3 });
});

function compare(
  gpu: () => Gpu,
  of: { headDim: number; type: "f32" | "f16"; tolerance: number },
): void {
  it(`count sinks, what is repeated and the repeat, head of ${of.headDim}, ${of.type}`, async () => {
    const { headDim, type, tolerance } = of;
    const heads = { numHeads: 2 * NUM_KV_HEADS, numKvHeads: NUM_KV_HEADS, headDim };
    const shape = {
      ...heads,
      ...({ keyType: type, valueType: type, lse: "repeat" } as const),
      ...{ scale: 1 / Math.sqrt(headDim), window: 0 },
    };
    const qkv = randomFloats((BEFORE + TOKENS) * qkvSize(shape), 7).map((value) => 2 * value);
    const { attention, buffers, input } = await setUpAttention(gpu(), shape, {
      ...{ qkv, tokens: TOKENS },
    });
    const words = Uint32Array.of(0, 1, TOKENS, FIRST, FIRST, END, SINKS, BEFORE);
    const usage = { usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST };
    const sample = gpu().buffers.upload("parameters", words, usage);
    const commands = new CommandList();
    attention.encodePrefill(commands, { ...buffers, sample }, TOKENS, BEFORE + TOKENS);
    run(gpu(), commands);
    const rows = TOKENS * shape.numHeads;
    const lse = await readFloats(gpu(), buffers.lse ?? buffers.output, rows);
    assertClose(lse, countedLse(input), tolerance);
    const { output } = referenceAttention(input);
    assertClose(await readFloats(gpu(), buffers.output, output.length), output, tolerance);
  });
}

/** Base 2, of each row. */
function countedLse(input: Parameters<typeof referenceAttention>[0]): Float32Array {
  const { queries, keys, numHeads, numKvHeads, headDim, length, scale } = input;
  return Float32Array.from({ length: TOKENS * numHeads }, (_, row) => {
    const kvHead = Math.floor((row % numHeads) / (numHeads / numKvHeads));
    let sum = 0;
    for (let slot = 0; slot <= BEFORE + Math.floor(row / numHeads); slot++) {
      if (!(slot < SINKS || (slot >= FIRST && slot < END) || slot >= BEFORE)) continue;
      let score = 0;
      for (let d = 0; d < headDim; d++)
        score += at(queries, row * headDim + d) * at(keys, (kvHead * length + slot) * headDim + d);
      sum += Math.exp(scale * score);
    }
    return Math.log2(sum);
  });
}
