// Host side of kernels/nll.wgsl.

import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import { reducePart } from "./parts.ts";

export interface NllBuffers {
  /** [rows, vocabSize] */
  readonly logits: GPUBuffer;
  /** Token ids [rows] */
  readonly targets: GPUBuffer;
  /** [rows] */
  readonly nll: GPUBuffer;
}

export type Nll = (commands: CommandList, buffers: NllBuffers, rows: number) => void;

export function nllSource(capabilities: Capabilities, vocabSize: number): KernelSource {
  return {
    file: "nll.wgsl",
    parts: reducePart(capabilities),
    constants: { WORKGROUP_SIZE: capabilities.isSoftware ? 32 : 256, VOCAB_SIZE: vocabSize },
  };
}

export async function createNll(gpu: Gpu, vocabSize: number): Promise<Nll> {
  const kernel = await gpu.kernels.get(nllSource(gpu.capabilities, vocabSize));
  return (commands, { logits, targets, nll }, rows) =>
    commands.dispatch(kernel, [logits, targets, nll], [rows]);
}
