// Host side of kernels/gated_mlp.wgsl.

import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";

const WORKGROUP_SIZE = 64;

export interface GatedMlpShape {
  /** Intermediate size, a multiple of 4. */
  readonly size: number;
  readonly activation: "silu" | "gelu";
}

/** `gateUp` [tokens, 2, size] to `output` [tokens, size]. */
export type GatedMlp = (
  commands: CommandList,
  buffers: { readonly gateUp: GPUBuffer; readonly output: GPUBuffer },
  tokens: number,
) => void;

export function gatedMlpSource(shape: GatedMlpShape): KernelSource {
  return {
    file: "gated_mlp.wgsl",
    parts: { activation: `activation/${shape.activation}.wgsl` },
    constants: { WORKGROUP_SIZE, SIZE: shape.size },
  };
}

export async function createGatedMlp(gpu: Gpu, shape: GatedMlpShape): Promise<GatedMlp> {
  const kernel = await gpu.kernels.get(gatedMlpSource(shape));
  const groups = Math.ceil(shape.size / 4 / WORKGROUP_SIZE);
  return (commands, { gateUp, output }, tokens) =>
    commands.dispatch(kernel, [gateUp, output], [groups, tokens]);
}
