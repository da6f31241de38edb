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
export function runsLanes({ isSoftware, hasSubgroups, subgroupMinSize }: Capabilities): boolean {
  return isSoftware && hasSubgroups && subgroupMinSize >= 8;
}

/** The file behind `#include <bound>`. A CPU's compiler takes minutes for the loops a GPU's unrolls. */
export function boundPart({ isSoftware }: Capabilities): { readonly bound: string } {
  return { bound: isSoftware ? "common/bound_opaque.wgsl" : "common/bound_constant.wgsl" };
}

/** What the kernels on matrix units are written for: f16 × f16 summed in f32, 16 × 16 × 16, in subgroups of 32. */
export function offersMatrixUnits(capabilities: Capabilities): boolean {
  const { hasF16, hasSubgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  return (
    hasF16 &&
    hasSubgroups &&
    subgroupMinSize === 32 &&
    subgroupMaxSize === 32 &&
    capabilities.matrixConfigurations.some(
      ({ componentType, resultComponentType, m, n, k }) =>
        componentType === "f16" &&
        resultComponentType === "f32" &&
        [m, n, k].every((size) => size === 16),
    )
  );
}

/** Whether the kernels on matrix units are used: they are offered and did well in their check. */
export function hasMatrixUnits(capabilities: Capabilities): boolean {
  return capabilities.usesMatrixUnits && offersMatrixUnits(capabilities);
}
