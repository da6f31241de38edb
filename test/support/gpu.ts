// One device per suite, for tests that run kernels. Suites skip by name where no adapter is found.

import { UserError } from "../../src/engine/errors.ts";
import { withoutOptionalFeatures } from "../../src/engine/gpu/capabilities.ts";
import type { CommandList } from "../../src/engine/gpu/commandList.ts";
import { type Gpu, type GpuOptions, openGpu } from "../../src/engine/gpu/device.ts";
import { matrixShapeOf } from "../../src/engine/model/operations/parts.ts";
import { skip } from "./skip.ts";

/** Inside a `describe`: open a device before its tests and close it behind them. Call the result within a test. */
export function useGpu(options: GpuOptions = {}): () => Gpu {
  let gpu: Gpu | undefined;
  before(async function () {
    try {
      gpu = await openGpu(options);
    } catch (error) {
      if (error instanceof UserError) skip(this, error.message);
      throw error;
    }
  });
  afterEach(() => gpu?.check());
  after(() => gpu?.dispose());
  return () => {
    if (gpu === undefined) throw new Error("the device opens in a before hook: use it in a test");
    return gpu;
  };
}

/** As `useGpu`, on matrix units, imitated ones too, whatever their check says; skips where the adapter has none. */
export function useMatrixUnits(): () => Gpu {
  const gpu = useGpu({ restrict: (offered) => ({ ...offered, usesMatrixUnits: true }) });
  before(function () {
    if (matrixShapeOf(gpu().capabilities) === undefined)
      skip(this, "the adapter has no f16 matrix units");
  });
  return gpu;
}

/** Describe a suite twice: with all the adapter has, and without 16-bit floats, subgroups and matrix units. */
export function describeOnGpu(name: string, suite: (gpu: () => Gpu) => void): void {
  describe(name, () => suite(useGpu()));
  describe(`${name}, without f16 and subgroups`, () =>
    suite(useGpu({ restrict: withoutOptionalFeatures })));
}

/** A storage buffer of f32 values. */
export function uploadFloats(gpu: Gpu, values: Float32Array): GPUBuffer {
  return gpu.buffers.upload("activations", values);
}

/** The first `count` f32 values of a buffer. */
export async function readFloats(
  gpu: Gpu,
  buffer: GPUBuffer,
  count: number,
): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer, 0, 4 * count));
}

/** Submit a command list. */
export function run(gpu: Gpu, commands: CommandList): void {
  gpu.submit([commands]);
}
