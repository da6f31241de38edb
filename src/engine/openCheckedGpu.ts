// Opens a device for models: with its matrix units where it has any and they compute what they should.

import type { Capabilities } from "./gpu/capabilities.ts";
import { type Gpu, type GpuOptions, openGpu } from "./gpu/device.ts";
import { checkMatrixUnits } from "./model/operations/matrixUnitsCheck.ts";
import { offersMatrixUnits } from "./model/operations/parts.ts";

export interface CheckedGpuOptions extends GpuOptions {
  /** Default `auto`. */
  readonly matrixUnits?: "auto" | "off";
}

/**
 * As `openGpu`, and matrix units are used where the adapter's are of use and right; where they are not, its capabilities
 * say why.
 */
export async function openCheckedGpu({
  matrixUnits = "auto",
  ...options
}: CheckedGpuOptions = {}): Promise<Gpu> {
  const gpu = await openGpu(options);
  const { capabilities } = gpu;
  if (matrixUnits === "off" || !offersMatrixUnits(capabilities)) return gpu;
  gpu.restrict({ ...capabilities, usesMatrixUnits: true });
  let reason: string;
  try {
    await checkMatrixUnits(gpu);
    return gpu;
  } catch (error) {
    // A compiler's message may have many lines.
    [reason = ""] = String(error instanceof Error ? error.message : error).split("\n");
  }
  const matrixUnitsProblem = `The matrix units of ${capabilities.name} failed their check and are not used: ${reason}`;
  if (!gpu.isLost) {
    gpu.restrict({ ...capabilities, matrixUnitsProblem });
    return gpu;
  }
  // A driver that broke over them may well do without.
  gpu.dispose();
  const restrict = (offered: Capabilities): Capabilities => ({
    ...(options.restrict?.(offered) ?? offered),
    matrixUnitsProblem,
  });
  return openGpu({ ...options, restrict });
}
