// rms_norm.wgsl against the reference.

import { CommandList } from "../../src/engine/gpu/commandList.ts";
import { createRmsNorm } from "../../src/engine/model/operations/rmsNorm.ts";
import { rmsNorm } from "../reference/operations.ts";
import { assertClose } from "../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

describeOnGpu("rms_norm", (gpu) => {
  for (const size of [4, 60, 256, 260, 2052]) {
    for (const accumulates of [false, true]) {
      it(`${accumulates ? "adds" : "writes"} rows of ${size}`, async () => {
        const [tokens, epsilon] = [3, 1e-5];
        const x = randomFloats(tokens * size, 1);
        const weight = randomFloats(size, 2);
        const before = randomFloats(tokens * size, 3);
        const norm = await createRmsNorm(gpu(), { size, epsilon, accumulates });
        const output = uploadFloats(gpu(), before);
        const commands = new CommandList();
        const buffers = {
          input: uploadFloats(gpu(), x),
          weight: uploadFloats(gpu(), weight),
          output,
        };
        norm(commands, buffers, tokens);
        run(gpu(), commands);
        const expected = rmsNorm(x, weight, epsilon).map((value, i) =>
          accumulates ? value + (before[i] ?? 0) : value,
        );
        assertClose(await readFloats(gpu(), output, x.length), expected, 1e-5);
      });
    }
  }
});
