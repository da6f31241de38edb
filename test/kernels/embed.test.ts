// embed.wgsl, with every weights part, against the decoded weights.

import { CommandList } from "../../src/engine/gpu/commandList.ts";
import { uploadStacked } from "../../src/engine/model/gpuMatrix.ts";
import { createEmbed } from "../../src/engine/model/operations/embed.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { assertClose } from "../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../support/gpu.ts";
import { randomMatrix } from "../support/matrixSource.ts";

describeOnGpu("embed", (gpu) => {
  // Registry keys are ids.
  for (const format of Object.keys(weightFormats) as WeightFormatId[]) {
    it(`looks up rows of ${format}, in any slice`, async () => {
      const cols = { 1: 172, 32: 96, 256: 512 }[weightFormats[format].blockSize] ?? 0;
      const first = randomMatrix(format, 41, cols, { seed: 1 });
      // An odd height in front makes the second matrix a slice of its own.
      const second = randomMatrix(format, 20, cols, { seed: 2 });
      const matrix = await uploadStacked(gpu(), [first.source, second.source]);
      const weights = Float32Array.from([...first.weights, ...second.weights]);
      const tokens = Uint32Array.of(0, 60, 41, 40, 7, 7, 59);
      const embed = await createEmbed(gpu(), matrix, 1.5);
      const output = uploadFloats(gpu(), new Float32Array(tokens.length * cols));
      const commands = new CommandList();
      const ids = gpu().buffers.upload("activations", tokens);
      embed(commands, { tokens: ids, output }, tokens.length);
      run(gpu(), commands);
      const expected = [...tokens].flatMap((token) =>
        [...weights.subarray(token * cols, (token + 1) * cols)].map((weight) => 1.5 * weight),
      );
      assertClose(await readFloats(gpu(), output, expected.length), expected, 1e-6);
    });
  }
});
