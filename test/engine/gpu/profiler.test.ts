// Times of kernels: every dispatch of what is submitted counts, however many there are.

import assert from "node:assert/strict";
import { UserError } from "../../../src/engine/errors.ts";
import { CommandList } from "../../../src/engine/gpu/commandList.ts";
import { openGpu } from "../../../src/engine/gpu/device.ts";
import { timeKernels } from "../../../src/engine/gpu/profiler.ts";

const SIZE = 64;

describe("times of kernels", () => {
  it("count every dispatch, more of them than a query set holds, and none afterwards", async function () {
    const gpu = await openGpu();
    try {
      if (!gpu.capabilities.hasTimestamps) this.skip();
      const constants = { SIZE, WORKGROUP_SIZE: 16, EPSILON: 1e-6, ACCUMULATE: false };
      const parts = { reduce: "common/reduce_workgroup.wgsl" };
      const kernel = await gpu.kernels.get({ file: "rms_norm.wgsl", parts, constants });
      const buffers = [1, 2, 3].map((seed) =>
        gpu.buffers.upload("activations", new Float32Array(SIZE).fill(seed)),
      );
      const commands = new CommandList();
      commands.dispatch(kernel, buffers, [1]);
      const submit = async (count: number) => {
        gpu.submit(Array.from({ length: count }, () => commands));
        await gpu.finished();
      };
      const { kernels } = await timeKernels(gpu, () => submit(2500));
      assert.deepEqual(
        kernels.map(({ kernel, dispatches }) => [kernel, dispatches]),
        [["rms_norm", 2500]],
      );
      assert.ok((kernels[0]?.totalMs ?? 0) > 0);
      await submit(3);
      const { kernels: later } = await timeKernels(gpu, () => submit(2));
      assert.equal(later[0]?.dispatches, 2);
    } finally {
      gpu.dispose();
    }
  });

  it("are refused in one line where an adapter has no timestamps", async () => {
    const gpu = await openGpu({ restrict: (offered) => ({ ...offered, hasTimestamps: false }) });
    try {
      await assert.rejects(
        timeKernels(gpu, async () => {}),
        (error) => error instanceof UserError && /no timestamp queries/.test(error.message),
      );
      assert.equal(gpu.profiler, undefined);
    } finally {
      gpu.dispose();
    }
  });
});
