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
}

/** A kernel and what one of its workgroups computes. */
export interface TiledKernel<K> {
  readonly kernel: K;
  readonly rows: number;
  readonly tokens: number;
}

export interface LinearKernels<K> {
  /** For a few tokens, one at a time; bindings without the step. */
  readonly matvec: TiledKernel<K>;
  /** For many tokens. */
  readonly matmul: TiledKernel<K>;
}

// Two subgroups of the common 32, or one of 64.
const MATVEC_WORKGROUP = 64;
// Without subgroups a CPU pays for each barrier of a sum's tree.
const MATVEC_SOFTWARE_WORKGROUP = 8;
const LANES_WORKGROUP = 32;
// Eight more than the 32 columns of a tile put neighbouring rows into different banks, where there is room.
const MATRIX_STRIDES = { roomy: 40, tight: 32 };

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
    const constants = { STRIDE: matrixStride(capabilities), ...matmulConstants };
    const kernel = { file: "matmul_subgroup_matrix.wgsl", parts, constants };
    return { matvec, matmul: { kernel, rows: 128, tokens: 64 } };
  }
  const kernel = { file: "matmul_tiled.wgsl", parts, constants: matmulConstants };
  return { matvec, matmul: { kernel, rows: 64, tokens: 64 } };
}

/** A CPU gathers every load lane by lane: values broadcast from registers beat tiles in memory. */
function hasLanes({ isSoftware, hasSubgroups, subgroupMinSize }: Capabilities): boolean {
  return isSoftware && hasSubgroups && subgroupMinSize >= 8;
}

function matrixStride({ limits }: Capabilities): number {
  // Tiles of 128 rows and 64 tokens in f16, four results in f32.
  const roomyBytes = 2 * (128 + 64) * MATRIX_STRIDES.roomy + 4 * 4 * 256;
  const isRoomy = (limits.maxComputeWorkgroupStorageSize ?? 0) >= roomyBytes;
  return isRoomy ? MATRIX_STRIDES.roomy : MATRIX_STRIDES.tight;
}

function matvecSource(capabilities: Capabilities, variant: LinearVariant): KernelSource {
  const { isSoftware, hasSubgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  const onGpu = Math.max(MATVEC_WORKGROUP, subgroupMaxSize);
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
