// KVzip's choice (arXiv:2505.23416): the heads of all layers compete for all tokens by their scores.

import { type CacheAllocation, equalBudgets } from "./allocation.ts";

export const global: CacheAllocation = {
  description: "lets the KV heads of all layers compete for all tokens by their scores",
  among: "model",
  safeguard: 0,
  layerBudgets: equalBudgets,
};
