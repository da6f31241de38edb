// sample.wgsl and nll.wgsl against the reference: each filter by the set of tokens it leaves, draws by their frequencies.

import assert from "node:assert/strict";
import { CommandList } from "../../src/engine/gpu/commandList.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { createNll } from "../../src/engine/model/operations/nll.ts";
import { createSampler } from "../../src/engine/model/operations/sampler.ts";
import { createStepBuffer, writeStep } from "../../src/engine/model/step.ts";
import type { SamplingSettings } from "../../src/protocol.ts";
import { assertClose } from "../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

// No multiple of a workgroup.
const VOCAB_SIZE = 203;
const DRAWS = 600;

describeOnGpu("sample", (gpu) => {
  it("takes the largest logit, and of equal ones the lowest token", async () => {
    const logits = randomFloats(VOCAB_SIZE, 1);
    logits.fill(2, 130, 133);
    assert.deepEqual(await draw(gpu(), { logits, settings: { temperature: 0 }, draws: 1 }), [130]);
  });

  it("draws tokens as often as softmax says, over all of the vocabulary", async () => {
    const logits = new Float32Array(VOCAB_SIZE).fill(-20);
    logits.set([2, 1], 0);
    logits.set([1.5, 0.5], VOCAB_SIZE - 2);
    const drawn = await draw(gpu(), { logits, settings: { temperature: 0.5, seed: 7 } });
    const weights = [0, 1, VOCAB_SIZE - 2, VOCAB_SIZE - 1].map((i) =>
      Math.exp(2 * (logits[i] ?? 0)),
    );
    const total = weights.reduce((a, b) => a + b);
    const share = (token: number): number =>
      drawn.filter((each) => each === token).length / drawn.length;
    const expected = weights.map((weight) => weight / total);
    const actual = [0, 1, VOCAB_SIZE - 2, VOCAB_SIZE - 1].map(share);
    for (const [i, value] of actual.entries()) {
      // Four standard deviations of a share of 600 draws.
      assert.ok(Math.abs(value - (expected[i] ?? 0)) < 0.08, `${actual} instead of ${expected}`);
    }
  });

  // Logits ln 8, ln 4, ln 2, ln 1, …: probabilities about 1/2, 1/4, 1/8, …
  const halves = Float32Array.from({ length: VOCAB_SIZE }, (_, i) => -i * Math.LN2);
  const filters: [name: string, settings: SamplingSettings, kept: number[]][] = [
    ["top-k keeps k tokens", { temperature: 1, topK: 3 }, [0, 1, 2]],
    ["top-k of 1 is greedy", { temperature: 5, topK: 1 }, [0]],
    ["top-p keeps tokens until their mass is reached", { temperature: 1, topP: 0.8 }, [0, 1, 2]],
    ["top-p counts the mass that top-k left", { temperature: 1, topK: 2, topP: 0.7 }, [0, 1]],
    ["min-p keeps tokens near the best one", { temperature: 1, minP: 0.2 }, [0, 1, 2]],
  ];
  for (const [name, settings, kept] of filters) {
    it(name, async () => {
      const drawn = await draw(gpu(), { logits: halves, settings });
      assert.deepEqual([...new Set(drawn)].sort(), kept);
    });
  }

  it("penalises tokens of the prompt and those it drew itself", async () => {
    const logits = new Float32Array(VOCAB_SIZE).fill(-50);
    logits.set([3, 2.9, 2.8, -1], 10);
    const settings = { temperature: 0, repetitionPenalty: 1.5 };
    const drawn = await draw(gpu(), { logits, settings, prompt: [10], draws: 3 });
    assert.deepEqual(drawn, [11, 12, 10]);
  });

  it("draws the same tokens for the same seed and others for another one", async () => {
    const logits = randomFloats(VOCAB_SIZE, 3);
    const drawSeed = (seed: number): Promise<number[]> =>
      draw(gpu(), { logits, settings: { temperature: 1, seed }, draws: 40 });
    assert.deepEqual(await drawSeed(1), await drawSeed(1));
    assert.notDeepEqual(await drawSeed(1), await drawSeed(2));
  });
});

describeOnGpu("nll", (gpu) => {
  it("is −ln softmax of the target, large logits included", async () => {
    const rows = 3;
    const logits = randomFloats(rows * VOCAB_SIZE, 4).map((x, i) => (i < VOCAB_SIZE ? 500 * x : x));
    const targets = Uint32Array.of(0, 101, VOCAB_SIZE - 1);
    const buffers = {
      logits: uploadFloats(gpu(), logits),
      targets: gpu().buffers.upload("activations", targets),
      nll: uploadFloats(gpu(), new Float32Array(rows)),
    };
    const nll = await createNll(gpu(), VOCAB_SIZE);
    const commands = new CommandList();
    nll(commands, buffers, rows);
    run(gpu(), commands);
    const expected = [...targets].map((target, row) => {
      const values = logits.subarray(row * VOCAB_SIZE, (row + 1) * VOCAB_SIZE);
      const largest = Math.max(...values);
      const total = values.reduce((sum, value) => sum + Math.exp(value - largest), 0);
      return largest + Math.log(total) - (values[target] ?? 0);
    });
    assertClose(await readFloats(gpu(), buffers.nll, rows), expected, 1e-5);
  });
});

/** Draw again and again from the same logits. */
async function draw(
  gpu: Gpu,
  {
    logits,
    settings,
    prompt = [],
    draws = DRAWS,
  }: { logits: Float32Array; settings: SamplingSettings; prompt?: number[]; draws?: number },
): Promise<number[]> {
  const sampler = await createSampler(gpu, VOCAB_SIZE);
  const step = createStepBuffer(gpu);
  writeStep(gpu, step, { numTokens: 1, firstPosition: 0, firstSlot: 0 });
  sampler.begin(settings, prompt);
  const commands = new CommandList();
  const buffer = uploadFloats(gpu, logits);
  for (let i = 0; i < draws; i++) sampler.encode(commands, buffer, step);
  run(gpu, commands);
  const drawn = new Uint32Array(await gpu.read(sampler.drawn, 0, 4 * (draws + 1)));
  const [numTokens, position, slot, length] = new Uint32Array(await gpu.read(step));
  assert.deepEqual([numTokens, position, slot, length], [1, draws, draws, draws + 1]);
  sampler.dispose();
  gpu.buffers.release(buffer);
  gpu.buffers.release(step);
  return [...drawn.subarray(1)];
}
