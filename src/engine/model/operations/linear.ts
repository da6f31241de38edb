// Host side of the matrix kernels: y = W x for single tokens and whole chunks, for any weight format.

import type { CommandList, Grid } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding, Kernel } from "../../gpu/kernel.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import type { GpuMatrix, MatrixSlice } from "../gpuMatrix.ts";
import {
  isGated,
  type LinearKernels,
  type LinearOutput,
  linearSources,
  matmulGrid,
  type TiledKernel,
} from "./linearKernels.ts";

export type { LinearOutput } from "./linearKernels.ts";

export interface LinearOptions {
  readonly output: LinearOutput;
  /** Added to each token's product [rows]; not for gated outputs. */
  readonly bias?: Float32Array;
}

export interface LinearBuffers {
  /** [tokens, cols] */
  readonly input: Binding;
  /** [tokens, rows], half of them when gated */
  readonly output: Binding;
  /** The pass's `Step` uniform. */
  readonly step: Binding;
}

interface Slice {
  readonly slice: MatrixSlice;
  readonly kernels: LinearKernels<Kernel>;
}

/** From this many tokens on a tile's sharing of the weights outweighs its unused tokens. */
export const MATMUL_TOKENS = 5;
// Matrices with fewer rows do not have enough of the larger tiles in a usual pass.
const WIDE_ROWS = 4096;
// The larger tiles do four times as much: a part of the workgroups that keep the GPU busy is enough.
const WIDE_SHARE = 4;
// Every adapter allows this many workgroups per dimension.
const MAX_GRID = 65535;

/** Multiplies with one matrix, whose memory is its owner's to free. */
export class Linear {
  readonly matrix: GpuMatrix;
  readonly #gpu: Gpu;
  readonly #slices: readonly Slice[];
  readonly #bias: GPUBuffer | undefined;

  constructor(gpu: Gpu, matrix: GpuMatrix, slices: readonly Slice[], bias: GPUBuffer | undefined) {
    this.#gpu = gpu;
    this.matrix = matrix;
    this.#slices = slices;
    this.#bias = bias;
  }

  /** Multiply the inputs of `tokens` tokens, at most the step's number. Input and output are different buffers. */
  encode(commands: CommandList, { input, output, step }: LinearBuffers, tokens: number): void {
    for (const { slice, kernels } of this.#slices) {
      const { quants, scales, shape } = slice;
      const weights = [quants, scales, this.#bias].filter((buffer) => buffer !== undefined);
      if (tokens < MATMUL_TOKENS) {
        const { kernel, rows } = kernels.matvec;
        const groups = Math.ceil(slice.rows / rows);
        const x = Math.min(groups, MAX_GRID);
        const grid: Grid = [x, Math.ceil(groups / x), tokens];
        commands.dispatch(kernel, [input, output, shape, ...weights], grid);
      } else {
        const { kernel, grid } = this.#matmul(slice.rows, kernels, tokens);
        commands.dispatch(kernel, [input, output, shape, step, ...weights], grid);
      }
    }
  }

  /** The kernel with the largest tiles that are still enough to keep the GPU busy. */
  #matmul(
    sliceRows: number,
    { matmul, wideMatmul }: LinearKernels<Kernel>,
    numTokens: number,
  ): { kernel: Kernel; grid: Grid } {
    if (wideMatmul) {
      const grid = matmulGrid(wideMatmul, sliceRows, numTokens);
      const enough = this.#gpu.capabilities.busyWorkgroups / WIDE_SHARE;
      if (grid[0] * grid[1] >= enough) return { kernel: wideMatmul.kernel, grid };
    }
    return { kernel: matmul.kernel, grid: matmulGrid(matmul, sliceRows, numTokens) };
  }

  dispose(): void {
    if (this.#bias) this.#gpu.buffers.release(this.#bias);
  }
}

/** Compile what a matrix needs to be multiplied with. Only interleaved matrices can be gated, and only gated. */
export async function createLinear(
  gpu: Gpu,
  matrix: GpuMatrix,
  { output, bias }: LinearOptions,
): Promise<Linear> {
  if (matrix.interleaved !== isGated(output) || (bias && isGated(output))) {
    throw new Error(
      `output ${output}${bias ? " and a bias" : ""} do not fit a matrix that is${matrix.interleaved ? "" : " not"} interleaved`,
    );
  }
  const slices = await Promise.all(
    matrix.slices.map(async (slice) => {
      const { format, rows } = slice;
      const variant = { format, output, hasBias: !!bias, rows, cols: matrix.cols };
      const sources = linearSources(gpu.capabilities, variant);
      const compiled = async (tiled: TiledKernel<KernelSource>): Promise<TiledKernel<Kernel>> => ({
        ...tiled,
        kernel: await gpu.kernels.get(tiled.kernel),
      });
      const wide = slice.rows >= WIDE_ROWS ? sources.wideMatmul : undefined;
      const [matvec, matmul, wideMatmul] = await Promise.all([
        compiled(sources.matvec),
        compiled(sources.matmul),
        wide && compiled(wide),
      ]);
      return { slice, kernels: { matvec, matmul, ...(wideMatmul && { wideMatmul }) } };
    }),
  );
  return new Linear(gpu, matrix, slices, bias && gpu.buffers.upload("weights", bias));
}
