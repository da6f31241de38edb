// Host side of kernels/rms_norm.wgsl.

import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding } from "../../gpu/kernel.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import { reducePart } from "./parts.ts";

export interface RmsNormShape {
  /** Values of a row, a multiple of 4. */
  readonly size: number;
  readonly epsilon: number;
  /** Add to the output instead of replacing it. */
  readonly accumulates: boolean;
}

export interface RmsNormBuffers {
  /** [tokens, size] */
  readonly input: Binding;
  /** [size] */
  readonly weight: GPUBuffer;
  /** [tokens, size] */
  readonly output: Binding;
}

export type RmsNorm = (commands: CommandList, buffers: RmsNormBuffers, tokens: number) => void;

export function rmsNormSource(capabilities: Capabilities, shape: RmsNormShape): KernelSource {
  return {
    file: "rms_norm.wgsl",
    parts: reducePart(capabilities),
    constants: {
      WORKGROUP_SIZE: workgroupOf(capabilities, shape.size),
      SIZE: shape.size,
      EPSILON: float(shape.epsilon),
      ACCUMULATE: shape.accumulates,
    },
  };
}

export async function createRmsNorm(gpu: Gpu, shape: RmsNormShape): Promise<RmsNorm> {
  const kernel = await gpu.kernels.get(rmsNormSource(gpu.capabilities, shape));
  return (commands, { input, weight, output }, tokens) =>
    commands.dispatch(kernel, [input, weight, output], [tokens]);
}

/** Up to 256 invocations for the vectors of a row on a GPU: each turn of their loop waits for memory again. */
function workgroupOf({ isSoftware }: Capabilities, size: number): number {
  if (isSoftware || size <= 256) return 64;
  return size <= 512 ? 128 : 256;
}
