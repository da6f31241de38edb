// Host side of the matrix kernels: picks the one for the adapter and the number of tokens, for any weight format.

import type { Capabilities } from "../../gpu/capabilities.ts";
import type { CommandList, Grid } from "../../gpu/commandList.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { Binding, Kernel } from "../../gpu/kernel.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import type { DecoderConfig } from "../decoderConfig.ts";
import type { GpuMatrix, MatrixSlice } from "../gpuMatrix.ts";
import { type WeightFormatId, weightFormats } from "../weightFormats/index.ts";

/** `set` the output, `add` to it (the residual stream), or gate it: activation(even rows) · odd rows. */
export type LinearOutput = "set" | "add" | DecoderConfig["activation"];

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

/** What selects the kernels of one slice. */
export interface LinearVariant {
  readonly format: WeightFormatId;
  readonly output: LinearOutput;
  readonly hasBias: boolean;
}

export interface LinearKernelSources {
  /** For a few tokens: 4 rows of one token a workgroup. */
  readonly matvec: KernelSource;
  /** For many tokens. */
  readonly matmul: KernelSource;
  readonly tile: Tile;
}

interface Tile {
  readonly rows: number;
  readonly tokens: number;
}

interface SliceKernels {
  readonly slice: MatrixSlice;
  readonly matvec: Kernel;
  readonly matmul: Kernel;
  readonly tile: Tile;
}

// From this many tokens on a tile's sharing of the weights outweighs its unused tokens.
const MATVEC_TOKENS = 4;
const MATVEC_ROWS = 4;
const LANES_WORKGROUP = 32;
// Every adapter has at least this many workgroups per dimension.
const MAX_GRID = 65535;

/** y = W x, on whole chunks as on single tokens. */
export class Linear {
  readonly matrix: GpuMatrix;
  readonly #kernels: readonly SliceKernels[];
  readonly #bias: GPUBuffer | undefined;
  readonly #gpu: Gpu;

  constructor(
    gpu: Gpu,
    matrix: GpuMatrix,
    kernels: readonly SliceKernels[],
    bias: GPUBuffer | undefined,
  ) {
    this.#gpu = gpu;
    this.matrix = matrix;
    this.#kernels = kernels;
    this.#bias = bias;
  }

  /** Multiply the inputs of `tokens` tokens, at most the step's number. Input and output are different buffers. */
  encode(commands: CommandList, { input, output, step }: LinearBuffers, tokens: number): void {
    for (const { slice, matvec, matmul, tile } of this.#kernels) {
      const weights = [slice.quants, slice.scales, this.#bias].filter(
        (buffer) => buffer !== undefined,
      );
      if (tokens <= MATVEC_TOKENS) {
        const bindings = [input, output, slice.shape, ...weights];
        commands.dispatch(matvec, bindings, matvecGrid(slice.rows, tokens));
      } else {
        const bindings = [input, output, slice.shape, step, ...weights];
        const grid = [Math.ceil(slice.rows / tile.rows), Math.ceil(tokens / tile.tokens)] as const;
        commands.dispatch(matmul, bindings, grid);
      }
    }
  }

  /** Frees the bias; the matrix may be shared and has its own owner. */
  dispose(): void {
    if (this.#bias) this.#gpu.buffers.release(this.#bias);
  }
}

/** Compile what a matrix needs to be multiplied with. */
export async function createLinear(
  gpu: Gpu,
  matrix: GpuMatrix,
  { output, bias }: LinearOptions,
): Promise<Linear> {
  if (matrix.interleaved !== isGated(output) || (bias && isGated(output))) {
    throw new Error(`a matrix that is${matrix.interleaved ? "" : " not"} interleaved: ${output}`);
  }
  const kernels = await Promise.all(
    matrix.slices.map(async (slice) => {
      const sources = linearSources(gpu.capabilities, {
        format: slice.format,
        output,
        hasBias: bias !== undefined,
      });
      const [matvec, matmul] = await Promise.all([
        gpu.kernels.get(sources.matvec),
        gpu.kernels.get(sources.matmul),
      ]);
      return { slice, matvec, matmul, tile: sources.tile };
    }),
  );
  return new Linear(gpu, matrix, kernels, bias && gpu.buffers.upload("weights", bias));
}

/** The kernels for a variant on an adapter. */
export function linearSources(
  capabilities: Capabilities,
  variant: LinearVariant,
): LinearKernelSources {
  const parts = {
    weights: `weights/${variant.format}.wgsl`,
    output: outputPart(variant),
    ...(isGated(variant.output) && { activation: `activation/${variant.output}.wgsl` }),
  };
  const constants = (firstBinding: number) => ({
    QUANTS_BINDING: firstBinding,
    ...bindingsAfter(firstBinding, variant),
    ...(!isGated(variant.output) && { ACCUMULATE: variant.output === "add" }),
  });
  const matvec = {
    file: "matvec.wgsl",
    parts: {
      ...parts,
      sum4: sum4Part(capabilities),
    },
    constants: { WORKGROUP_SIZE: matvecWorkgroup(capabilities), ...constants(3) },
  };
  if (runsLanes(capabilities)) {
    const matmul = {
      file: "matmul_lanes.wgsl",
      parts,
      constants: { WORKGROUP_SIZE: LANES_WORKGROUP, ...constants(4) },
    };
    return { matvec, matmul, tile: { rows: 2 * LANES_WORKGROUP, tokens: 16 } };
  }
  const matmul = { file: "matmul_tiled.wgsl", parts, constants: constants(4) };
  return { matvec, matmul, tile: { rows: 64, tokens: 64 } };
}

/** Vector units of a CPU gather every load: registers filled by broadcasts beat tiles in memory. */
function runsLanes({ isSoftware, hasSubgroups, subgroupMinSize }: Capabilities): boolean {
  return isSoftware && hasSubgroups && subgroupMinSize >= 8;
}

/** One subgroup on a CPU, where barriers are switches of context; on a GPU enough to hide latency. */
function matvecWorkgroup({ isSoftware, hasSubgroups, subgroupMaxSize }: Capabilities): number {
  if (isSoftware) return hasSubgroups ? subgroupMaxSize : 8;
  return Math.max(64, subgroupMaxSize);
}

function sum4Part(capabilities: Capabilities): string {
  const { hasSubgroups, subgroupMinSize } = capabilities;
  if (!hasSubgroups) return "common/sum4_workgroup.wgsl";
  // Subgroups smaller than the largest would leave the workgroup in several.
  const isOne = matvecWorkgroup(capabilities) === subgroupMinSize;
  return isOne ? "common/sum4_one_subgroup.wgsl" : "common/sum4_subgroup.wgsl";
}

function outputPart({ output, hasBias }: LinearVariant): string {
  if (isGated(output)) return "output/gated.wgsl";
  return hasBias ? "output/rows_biased.wgsl" : "output/rows.wgsl";
}

/** Bindings behind the quants, without gaps: scales where the format has them, the bias where there is one. */
function bindingsAfter(quants: number, { format, hasBias }: LinearVariant): Record<string, number> {
  const hasScales = weightFormats[format].blockSize > 1;
  return {
    ...(hasScales && { SCALES_BINDING: quants + 1 }),
    ...(hasBias && { BIAS_BINDING: quants + (hasScales ? 2 : 1) }),
  };
}

function isGated(output: LinearOutput): boolean {
  return output !== "set" && output !== "add";
}

function matvecGrid(rows: number, tokens: number): Grid {
  const groups = Math.ceil(rows / MATVEC_ROWS);
  const x = Math.min(groups, MAX_GRID);
  return [x, Math.ceil(groups / x), tokens];
}
