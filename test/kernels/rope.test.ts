// rope.wgsl against the reference: pairings, partial rotation, QK-norm, and positions far beyond f32's reach for angles.

import { CommandList } from "../../src/engine/gpu/commandList.ts";
import { createRope, packFrequencies, qkvSize } from "../../src/engine/model/operations/rope.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import { ropeHeads } from "../reference/operations.ts";
import { assertClose } from "../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../support/gpu.ts";
import { uploadHeads } from "../support/heads.ts";
import { randomFloats } from "../support/random.ts";

describeOnGpu("rope", (gpu) => {
  const cases = [
    { headDim: 8, ropeDim: 8, firstPosition: 0 },
    { headDim: 64, ropeDim: 64, firstPosition: 1000 },
    { headDim: 96, ropeDim: 72, firstPosition: 5 },
    { headDim: 128, ropeDim: 128, firstPosition: 1_000_003 },
    { headDim: 256, ropeDim: 256, firstPosition: 131_072 },
  ];
  for (const { headDim, ropeDim, firstPosition } of cases) {
    for (const pairing of ["interleaved", "half"] as const) {
      for (const hasQkNorm of [false, true]) {
        it(`rotates ${pairing} pairs, ${ropeDim} of ${headDim}${hasQkNorm ? ", normed" : ""}`, async () => {
          const heads = { numHeads: 3, numKvHeads: 1, headDim };
          const tokens = 5;
          const attentionFactor = 1.25;
          const qkv = randomFloats(tokens * qkvSize(heads), 1);
          const norms = randomFloats(2 * headDim, 2);
          const invFreq = Float64Array.from(
            { length: ropeDim / 2 },
            (_, pair) => 10_000 ** ((-2 * pair) / ropeDim),
          );
          const norm = { hasQkNorm, epsilon: 1e-6 };
          const rotation = { ropeDim, pairing, attentionFactor, rotatesKeys: true };
          const shape = { ...heads, ...rotation, ...norm };
          const rope = await createRope(gpu(), shape);
          const buffers = {
            frequencies: gpu().buffers.upload("parameters", packFrequencies(invFreq)),
            norms: uploadFloats(gpu(), norms),
            qkv: uploadFloats(gpu(), qkv),
            step: createStepBuffer(gpu()),
            heads: uploadHeads(gpu(), Array(heads.numKvHeads).fill([0, 0])),
          };
          writeStep(gpu(), buffers.step, { numTokens: tokens, firstPosition, firstSlot: 0 });
          const commands = new CommandList();
          rope(commands, buffers, tokens);
          run(gpu(), commands);
          const [q, k] = [norms.subarray(0, headDim), norms.subarray(headDim)];
          const expected = ropeHeads(qkv, {
            ...heads,
            table: { invFreq, attentionFactor },
            pairing,
            firstPosition,
            ...(hasQkNorm ? { norms: { q, k, epsilon: 1e-6 } } : {}),
          });
          assertClose(await readFloats(gpu(), buffers.qkv, qkv.length), expected, 2e-5);
        });
      }
    }
  }

  it("turns queries by their head's slots where keys are cached before RoPE", async () => {
    const heads = { numHeads: 4, numKvHeads: 2, headDim: 8 };
    const qkv = randomFloats(3 * qkvSize(heads), 1);
    const invFreq = Float64Array.from({ length: 4 }, (_, pair) => 10_000 ** (-pair / 4));
    const rotation = {
      ropeDim: 8,
      pairing: "half",
      attentionFactor: 1,
      rotatesKeys: false,
    } as const;
    const rope = await createRope(gpu(), { ...heads, ...rotation, hasQkNorm: false, epsilon: 1 });
    const buffers = {
      frequencies: gpu().buffers.upload("parameters", packFrequencies(invFreq)),
      norms: uploadFloats(gpu(), new Float32Array(2)),
      qkv: uploadFloats(gpu(), qkv),
      step: createStepBuffer(gpu()),
      heads: uploadHeads(gpu(), [
        [0, -40],
        [0, 7],
      ]),
    };
    writeStep(gpu(), buffers.step, { numTokens: 3, firstPosition: 100, firstSlot: 100 });
    const commands = new CommandList();
    rope(commands, buffers, 3);
    run(gpu(), commands);
    const table = { invFreq, attentionFactor: 1 };
    const turned = (firstPosition: number): Float32Array =>
      ropeHeads(qkv, { ...heads, table, pairing: "half", firstPosition });
    const [few, many] = [turned(60), turned(107)];
    const queryHead = (i: number): number => Math.floor((i % qkvSize(heads)) / heads.headDim);
    const expected = qkv.map((value, i) => {
      if (queryHead(i) >= heads.numHeads) return value;
      return (queryHead(i) < 2 ? few : many)[i] ?? 0;
    });
    assertClose(await readFloats(gpu(), buffers.qkv, qkv.length), expected, 2e-5);
  });
});
