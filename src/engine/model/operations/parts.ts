// Which kernel parts an adapter gets.

import type { Capabilities } from "../../gpu/capabilities.ts";

/** The file behind `#include <reduce>`. */
export function reducePart(capabilities: Capabilities): { readonly reduce: string } {
  return {
    reduce: capabilities.hasSubgroups
      ? "common/reduce_subgroup.wgsl"
      : "common/reduce_workgroup.wgsl",
  };
}

/**
 * Whether the adapter is a CPU whose subgroups are the lanes of its vector unit. Its every load is a gather and its every
 * barrier a switch of context, so it has kernels of its own that broadcast from registers.
 */
export function runsLanes(capabilities: Capabilities): boolean {
  const { isSoftware, hasSubgroups, subgroupMinSize, usesMatrixUnits } = capabilities;
  return isSoftware && hasSubgroups && subgroupMinSize >= 8 && !usesMatrixUnits;
}

/** The file behind `#include <bound>`. A CPU's compiler takes minutes for the loops a GPU's unrolls. */
export function boundPart({ isSoftware }: Capabilities): { readonly bound: string } {
  return { bound: isSoftware ? "common/bound_opaque.wgsl" : "common/bound_constant.wgsl" };
}

/** What the kernels on matrix units are made for: f16 × f16 summed in f32, 16 × 16 × 16, in subgroups of 32. */
export function offersMatrixUnits(capabilities: Capabilities): boolean {
  return offersMatrices(capabilities, { side: 16, subgroup: 32 });
}

/** Whether the kernels on matrix units are used: they are offered and did well in their check. */
export function hasMatrixUnits(capabilities: Capabilities): boolean {
  return capabilities.usesMatrixUnits && offersMatrixUnits(capabilities);
}

/** Rows and columns of the matrices that attention is computed by, and invocations that share one. */
export interface MatrixShape {
  readonly side: number;
  readonly subgroup: number;
}

/**
 * The matrices that attention's kernels get, if any. Those of 8 × 8 × 8 are of a software adapter that imitates matrix units:
 * no model is run on them, but tests show on any machine that the kernels are right.
 */
export function matrixShapeOf(capabilities: Capabilities): MatrixShape | undefined {
  if (!capabilities.usesMatrixUnits) return undefined;
  return MATRIX_SHAPES.find((shape) => offersMatrices(capabilities, shape));
}

const MATRIX_SHAPES: readonly MatrixShape[] = [
  { side: 16, subgroup: 32 },
  { side: 8, subgroup: 8 },
];

function offersMatrices(capabilities: Capabilities, { side, subgroup }: MatrixShape): boolean {
  const { hasF16, hasSubgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  return (
    hasF16 &&
    hasSubgroups &&
    subgroupMinSize === subgroup &&
    subgroupMaxSize === subgroup &&
    capabilities.matrixConfigurations.some(
      ({ componentType, resultComponentType, m, n, k }) =>
        componentType === "f16" &&
        resultComponentType === "f32" &&
        [m, n, k].every((size) => size === side),
    )
  );
}
