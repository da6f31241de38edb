// gated_mlp.wgsl against the reference.

import { CommandList } from "../../src/engine/gpu/commandList.ts";
import { createGatedMlp } from "../../src/engine/model/operations/gatedMlp.ts";
import { at, geluTanh, silu } from "../reference/operations.ts";
import { assertClose } from "../support/close.ts";
import { describeOnGpu, readFloats, run, uploadFloats } from "../support/gpu.ts";
import { randomFloats } from "../support/random.ts";

describeOnGpu("gated_mlp", (gpu) => {
  for (const activation of ["silu", "gelu"] as const) {
    for (const size of [4, 172, 260]) {
      it(`${activation} of ${size} values, large ones included`, async () => {
        const tokens = 3;
        const gateUp = randomFloats(tokens * 2 * size, 1).map((x, i) =>
          i % 7 === 0 ? 120 * x : 3 * x,
        );
        const output = uploadFloats(gpu(), new Float32Array(tokens * size));
        const mlp = await createGatedMlp(gpu(), { size, activation });
        const commands = new CommandList();
        mlp(commands, { gateUp: uploadFloats(gpu(), gateUp), output }, tokens);
        run(gpu(), commands);
        const activate = { silu, gelu: geluTanh }[activation];
        const expected = Float32Array.from({ length: tokens * size }, (_, i) => {
          const gate = Math.floor(i / size) * 2 * size + (i % size);
          return activate(at(gateUp, gate)) * at(gateUp, gate + size);
        });
        assertClose(await readFloats(gpu(), output, expected.length), expected, 2e-5);
      });
    }
  }
});
