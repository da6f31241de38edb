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
