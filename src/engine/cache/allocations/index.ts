// The cache allocations. To add one: a file here and a line below.

import { UserError } from "../../errors.ts";
import type { CacheAllocation } from "./allocation.ts";
import { global } from "./global.ts";
import { headAdaptive } from "./headAdaptive.ts";
import { pyramid } from "./pyramid.ts";
import { uniform } from "./uniform.ts";

export const cacheAllocations = {
  uniform,
  pyramid,
  "head-adaptive": headAdaptive,
  global,
} as const satisfies Record<string, CacheAllocation>;

export type CacheAllocationId = keyof typeof cacheAllocations;

/**
 * The allocation a setting names.
 * @throws UserError naming the known ones
 */
export function cacheAllocationOf(setting: string): [CacheAllocationId, CacheAllocation] {
  const found = Object.entries(cacheAllocations).find(([known]) => known === setting);
  if (found === undefined) {
    throw new UserError(
      `There is no cache allocation "${setting}": choose ${Object.keys(cacheAllocations).join(", ")}.`,
    );
  }
  // Registry keys are ids.
  return [found[0] as CacheAllocationId, found[1]];
}
