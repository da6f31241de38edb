// Host side of kernels/embed.wgsl: token ids to rows of the embedding matrix.

import type { CommandList } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding } from "../../gpu/kernel.ts";
import { float, type KernelSource } from "../../gpu/linkKernel.ts";
import type { GpuMatrix } from "../gpuMatrix.ts";
import { type WeightFormatId, weightFormats } from "../weightFormats/index.ts";
import { UNIT } from "../weightFormats/weightFormat.ts";

const WORKGROUP_SIZE = 64;

export interface EmbedBuffers {
  /** Ids as u32 [tokens], each below the matrix's number of rows. */
  readonly tokens: Binding;
  /** [tokens, cols] */
  readonly output: Binding;
}

export type Embed = (commands: CommandList, buffers: EmbedBuffers, tokens: number) => void;

/** Compile the lookup of rows of `matrix`, each multiplied by `scale`. */
export async function createEmbed(gpu: Gpu, matrix: GpuMatrix, scale: number): Promise<Embed> {
  const kernels = await Promise.all(
    matrix.slices.map(({ format }) => gpu.kernels.get(embedSource(format, scale))),
  );
  const groups = Math.ceil(matrix.cols / UNIT / WORKGROUP_SIZE);
  return (commands, { tokens: ids, output }, tokens) => {
    for (const [index, { quants, scales, shape }] of matrix.slices.entries()) {
      // One kernel for each slice.
      const kernel = kernels[index]!;
      commands.dispatch(
        kernel,
        [ids, output, shape, quants, ...(scales ? [scales] : [])],
        [groups, tokens],
      );
    }
  };
}

export function embedSource(format: WeightFormatId, scale: number): KernelSource {
  return {
    file: "embed.wgsl",
    parts: { weights: `weights/${format}.wgsl` },
    constants: {
      WORKGROUP_SIZE,
      SCALE: float(scale),
      QUANTS_BINDING: 3,
      ...(weightFormats[format].blockSize > 1 && { SCALES_BINDING: 4 }),
    },
  };
}
