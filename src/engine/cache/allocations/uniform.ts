// Every KV head of every layer keeps the same number of tokens.

import { type CacheAllocation, equalBudgets } from "./allocation.ts";

export const uniform: CacheAllocation = {
  description: "gives every KV head of every layer the same number of tokens",
  among: "head",
  safeguard: 1,
  layerBudgets: equalBudgets,
};
