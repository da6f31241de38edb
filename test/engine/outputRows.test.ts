// The last layer computes the rows that are looked at and no others, and these to the last bit as when all are.

import assert from "node:assert/strict";
import type { LanguageModel } from "../../src/engine/languageModel.ts";
import { type RandomModel, randomPrompt } from "../support/randomModel.ts";
import { useRandomModels } from "../support/randomModels.ts";
import { useTemporaryFolder } from "../support/temporaryFolder.ts";

// Of a fixed length whatever the speed, the last one shorter.
const CHUNK = 16;
const TOKENS = 61;
const LAYERS = 2;

const cases: Readonly<Record<string, RandomModel>> = {
  llama: { architecture: "llama", format: "f32" },
  "llama whose rows cannot be bound one by one": {
    architecture: "llama",
    format: "f32",
    shape: { numHeads: 3, numKvHeads: 1, headDim: 20, hiddenSize: 64 },
  },
  "gemma3 with post norms": { architecture: "gemma3", format: "f32", slidingWindow: 16 },
};

describe("rows that nobody looks at", () => {
  const folder = useTemporaryFolder();

  for (const [name, random] of Object.entries(cases))
    describe(`of ${name}`, () => {
      const { gpu, load } = useRandomModels(folder, {
        ...random,
        shape: { ...random.shape, numLayers: LAYERS },
      });
      const tokens = randomPrompt(TOKENS);
      const settings = { chunkLength: CHUNK, cacheTypeK: "f32", cacheTypeV: "f32" };

      const read = async (model: LanguageModel, rows: number): Promise<number[][]> =>
        model.logProbabilities(tokens, new Array<number[]>(rows).fill([3, 7, 40]));

      it("are left out, and the others have the same bits", async () => {
        const all = await read(await load(settings), TOKENS);
        // Of every chunk so many that their logits are multiplied by the same kernel as those of all.
        for (const rows of [5, 6, 13, 19]) {
          const some = await read(await load(settings), rows);
          assert.deepEqual(some, all.slice(-rows), `the last ${rows}`);
        }
      });

      it("are not multiplied with the last layer's weights", async () => {
        const [every, last] = [await load(settings), await load(settings)];
        const { device } = gpu();
        const all = await countWorkgroups(device, "rms_norm", () => read(every, TOKENS));
        const some = await countWorkgroups(device, "rms_norm", () => read(last, 1));
        const perLayer = random.architecture === "gemma3" ? 4 : 2;
        assert.equal(all, (LAYERS * perLayer + 1) * TOKENS);
        // The norm in front of queries and keys is of every row, that of the output of one; the rest needs the last chunk at most.
        const leastLeftOut = (perLayer - 1) * (TOKENS - CHUNK) + TOKENS - 1;
        assert.ok(some <= all - leastLeftOut, `${some} of ${all} rows`);
      });
    });
});

/** Workgroups of a kernel dispatched while something runs. */
async function countWorkgroups(
  device: GPUDevice,
  label: string,
  run: () => Promise<unknown>,
): Promise<number> {
  let count = 0;
  const createCommandEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = () => {
    const encoder = createCommandEncoder();
    const beginComputePass = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = () => {
      const pass = beginComputePass();
      let isCounted = false;
      const setPipeline = pass.setPipeline.bind(pass);
      pass.setPipeline = (pipeline) => {
        isCounted = pipeline.label === label;
        setPipeline(pipeline);
      };
      const dispatch = pass.dispatchWorkgroups.bind(pass);
      pass.dispatchWorkgroups = (x, y = 1, z = 1) => {
        if (isCounted) count += x * y * z;
        dispatch(x, y, z);
      };
      return pass;
    };
    return encoder;
  };
  try {
    await run();
    return count;
  } finally {
    device.createCommandEncoder = createCommandEncoder;
  }
}
