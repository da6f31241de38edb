// Which kernel parts an adapter gets: the one place that asks for subgroups.

import type { Capabilities } from "../../gpu/capabilities.ts";

/** The file behind `#include <reduce>`. */
export function reducePart(capabilities: Capabilities): { readonly reduce: string } {
  return {
    reduce: capabilities.hasSubgroups
      ? "common/reduce_subgroup.wgsl"
      : "common/reduce_workgroup.wgsl",
  };
}
