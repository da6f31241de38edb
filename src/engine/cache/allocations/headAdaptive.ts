// AdaKV (arXiv:2407.11550): the heads of a layer compete for its budget by their scores, each with a fifth of its share safe.

import { type CacheAllocation, equalBudgets } from "./allocation.ts";

export const headAdaptive: CacheAllocation = {
  description: "lets the KV heads of a layer compete for its tokens by their scores",
  among: "layer",
  safeguard: 0.2,
  layerBudgets: equalBudgets,
};
