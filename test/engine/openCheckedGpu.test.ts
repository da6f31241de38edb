// Matrix units are used where they pass their check, and nowhere else.

import assert from "node:assert/strict";
import { deviceDigest } from "../../src/engine/cache/deviceDigest.ts";
import type { Capabilities } from "../../src/engine/gpu/capabilities.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";
import { checkMatrixUnits } from "../../src/engine/model/operations/matrixUnitsCheck.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { useGpu } from "../support/gpu.ts";

describe("openCheckedGpu", function () {
  this.timeout(180_000);
  const opened: Gpu[] = [];
  const open = async (...options: Parameters<typeof openCheckedGpu>): Promise<Gpu> => {
    const gpu = await openCheckedGpu(...options);
    opened.push(gpu);
    return gpu;
  };
  afterEach(() => {
    for (const gpu of opened.splice(0)) gpu.dispose();
  });
  const gpu = useGpu();

  it("checks against what plain kernels compute as well, and leaves nothing behind", async () => {
    await checkMatrixUnits(gpu());
    assert.deepEqual(
      Object.values(gpu().buffers.bytes()).filter((bytes) => bytes > 0),
      [],
    );
  });

  it("does without matrix units that fail, and says why", async () => {
    // The null backend computes nothing, so all results are wrong.
    const { capabilities } = await open({ backend: "null", restrict: pretendMatrixUnits });
    assert.equal(capabilities.usesMatrixUnits, false);
    assert.match(capabilities.matrixUnitsProblem ?? "", /matrix units of .* failed their check/);
  });

  it("does without them where they are switched off or absent", async () => {
    const off = await open({ matrixUnits: "off", backend: "null", restrict: pretendMatrixUnits });
    assert.equal(off.capabilities.usesMatrixUnits, false);
    assert.equal(off.capabilities.matrixUnitsProblem, undefined);
    assert.equal(off.kernels.size, 0, "nothing was checked");
    const absent = await open({
      restrict: (offered) => ({ ...offered, matrixConfigurations: [] }),
    });
    assert.equal(absent.capabilities.matrixUnitsProblem, undefined);
    assert.equal(absent.kernels.size, 0);
  });

  it("tells what was computed with matrix units from what was not", () => {
    const { capabilities } = gpu();
    const plain = deviceDigest(gpu());
    gpu().restrict({ ...capabilities, usesMatrixUnits: true });
    assert.notEqual(deviceDigest(gpu()), plain);
    gpu().restrict(capabilities);
    assert.equal(deviceDigest(gpu()), plain);
  });
});

function pretendMatrixUnits(offered: Capabilities): Capabilities {
  return {
    ...offered,
    ...{ isSoftware: false, hasF16: true, hasSubgroups: true },
    ...{ subgroupMinSize: 32, subgroupMaxSize: 32 },
    matrixConfigurations: [
      { componentType: "f16", resultComponentType: "f32", m: 16, n: 16, k: 16 },
    ],
  };
}
