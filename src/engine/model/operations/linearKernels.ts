// Chooses the matrix kernels for an adapter, a weight format and a kind of output: the one place that does.

import type { Capabilities } from "../../gpu/capabilities.ts";
import type { KernelSource } from "../../gpu/linkKernel.ts";
import type { DecoderConfig } from "../decoderConfig.ts";
import { type WeightFormatId, weightFormats } from "../weightFormats/index.ts";
import { hasMatrixUnits } from "./parts.ts";

/** `set` the output, `add` to it (the residual stream), or gate it: activation(even rows) · odd rows. */
export type LinearOutput = "set" | "add" | DecoderConfig["activation"];

export interface LinearVariant {
  readonly format: WeightFormatId;
  readonly output: LinearOutput;
  readonly hasBias: boolean;
  /** Of the slice; a single token's kernel is made to fit them. */
  readonly rows: number;
  readonly cols: number;
}

/** A kernel and what one of its workgroups computes. */
export interface TiledKernel<K> {
  readonly kernel: K;
  readonly rows: number;
  readonly tokens: number;
}

/** Workgroups that multiply `numTokens` tokens by a slice of `sliceRows` rows. */
export function matmulGrid(
  { rows, tokens }: TiledKernel<unknown>,
  sliceRows: number,
  numTokens: number,
): [x: number, y: number] {
  return [Math.ceil(sliceRows / rows), Math.ceil(numTokens / tokens)];
}

export interface LinearKernels<K> {
  /** For a few tokens, one at a time; bindings without the step. */
  readonly matvec: TiledKernel<K>;
  /** For many tokens. */
  readonly matmul: TiledKernel<K>;
  /** For so many tokens and rows that its larger tiles keep the GPU busy. */
  readonly wideMatmul?: TiledKernel<K>;
}

// Two subgroups of the common 32, or one of 64.
const MATVEC_WORKGROUP = 64;
// With so many rows the workgroups of 64 keep a GPU busy. With fewer, longer rows get more invocations, which load side by side what
// they would load in turn.
const MANY_ROWS = 8192;
// Without subgroups a CPU pays for each barrier of a sum's tree.
const MATVEC_SOFTWARE_WORKGROUP = 8;
const LANES_WORKGROUP = 32;
// So many values more than a tile's columns put neighbouring rows into different banks.
const BANK_SHIFT = 8;

export function isGated(output: LinearOutput): boolean {
  return output !== "set" && output !== "add";
}

/** The kernels for a variant on an adapter. */
export function linearSources(
  capabilities: Capabilities,
  variant: LinearVariant,
): LinearKernels<KernelSource> {
  const parts = partsOf(variant);
  const matmulConstants = constantsOf(variant, 4);
  if (hasLanes(capabilities)) {
    const matvecWorkgroup = capabilities.subgroupMaxSize;
    return {
      matvec: {
        kernel: {
          file: "matvec_lanes.wgsl",
          parts,
          constants: { WORKGROUP_SIZE: matvecWorkgroup, ...constantsOf(variant, 3) },
        },
        rows: 2 * matvecWorkgroup,
        tokens: 1,
      },
      matmul: {
        kernel: {
          file: "matmul_lanes.wgsl",
          parts,
          constants: { WORKGROUP_SIZE: LANES_WORKGROUP, ...matmulConstants },
        },
        rows: 2 * LANES_WORKGROUP,
        tokens: 16,
      },
    };
  }
  const matvec = { kernel: matvecSource(capabilities, variant), rows: 4, tokens: 1 };
  // F32 weights would lose too much in f16.
  if (hasMatrixUnits(capabilities) && variant.format !== "f32") {
    const matmul = (rowMatrices: number, tokenMatrices: number, columns: readonly number[]) => {
      const tile = matrixTile(capabilities, { rowMatrices, tokenMatrices, columns });
      const constants = { ...tile, ...matmulConstants };
      const kernel = { file: "matmul_subgroup_matrix.wgsl", parts, constants };
      return { kernel, rows: 32 * rowMatrices, tokens: 32 * tokenMatrices };
    };
    return { matvec, matmul: matmul(2, 2, [64, 32]), wideMatmul: matmul(4, 4, [32, 16]) };
  }
  const kernel = { file: "matmul_tiled.wgsl", parts, constants: matmulConstants };
  return { matvec, matmul: { kernel, rows: 64, tokens: 64 } };
}

/** A CPU gathers every load lane by lane: values broadcast from registers beat tiles in memory. */
function hasLanes({ isSoftware, hasSubgroups, subgroupMinSize }: Capabilities): boolean {
  return isSoftware && hasSubgroups && subgroupMinSize >= 8;
}

/** The deepest of the tiles that fits in workgroup memory. */
function matrixTile(
  { limits }: Capabilities,
  tile: { rowMatrices: number; tokenMatrices: number; columns: readonly number[] },
): Record<string, number> {
  const { rowMatrices, tokenMatrices } = tile;
  // Both tiles in f16, four results in f32.
  const bytes = (columns: number): number =>
    2 * 32 * (rowMatrices + tokenMatrices) * (columns + BANK_SHIFT) + 4 * 4 * 256;
  const available = limits.maxComputeWorkgroupStorageSize ?? 0;
  const COLUMNS = tile.columns.find((columns) => bytes(columns) <= available) ?? 16;
  return {
    ROW_MATRICES: rowMatrices,
    TOKEN_MATRICES: tokenMatrices,
    UNITS_EACH: (rowMatrices * COLUMNS) / 32,
    VECTORS_EACH: (tokenMatrices * COLUMNS) / 16,
    COLUMNS,
    STRIDE: COLUMNS + BANK_SHIFT,
  };
}

function matvecSource(capabilities: Capabilities, variant: LinearVariant): KernelSource {
  const { isSoftware, hasSubgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  const onGpu = Math.max(matvecWorkgroup(variant), subgroupMaxSize);
  const onCpu = hasSubgroups ? subgroupMaxSize : MATVEC_SOFTWARE_WORKGROUP;
  const workgroup = isSoftware ? onCpu : onGpu;
  const severalSubgroups = workgroup > subgroupMinSize ? "subgroup" : "one_subgroup";
  return {
    file: "matvec.wgsl",
    parts: {
      ...partsOf(variant),
      sum4: `common/sum4_${hasSubgroups ? severalSubgroups : "workgroup"}.wgsl`,
    },
    constants: { WORKGROUP_SIZE: workgroup, ...constantsOf(variant, 3) },
  };
}

function matvecWorkgroup({ rows, cols }: LinearVariant): number {
  if (rows >= MANY_ROWS || cols < 2048) return MATVEC_WORKGROUP;
  return cols < 8192 ? 128 : 256;
}

function partsOf({ format, output, hasBias }: LinearVariant): Record<string, string> {
  const weights = `weights/${format}.wgsl`;
  if (isGated(output)) {
    return { weights, output: "output/gated.wgsl", activation: `activation/${output}.wgsl` };
  }
  return { weights, output: hasBias ? "output/rows_biased.wgsl" : "output/rows.wgsl" };
}

/** Bindings from the quants on, without gaps: scales where the format has them, the bias where there is one. */
function constantsOf(
  { format, output, hasBias }: LinearVariant,
  quants: number,
): Record<string, number | boolean> {
  const hasScales = weightFormats[format].blockSize > 1;
  return {
    QUANTS_BINDING: quants,
    ...(hasScales && { SCALES_BINDING: quants + 1 }),
    ...(hasBias && { BIAS_BINDING: quants + (hasScales ? 2 : 1) }),
    ...(!isGated(output) && { ACCUMULATE: output === "add" }),
  };
}
