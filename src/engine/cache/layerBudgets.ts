// What an eviction leaves of each layer.

import type { ModelSettings } from "../../protocol.ts";
import type { LayerConfig } from "../model/decoderConfig.ts";
import type { CacheAllocation } from "./allocations/allocation.ts";
import type { CachePolicy } from "./policies/policy.ts";

/** Tokens per KV head, sinks and recent window included; the mean over the heads that compete for them. */
export interface LayerBudget {
  readonly budget: number;
  readonly sinks: number;
  readonly recent: number;
  /** It has a sliding window, which is its budget. */
  readonly isLocal?: boolean;
}

/** Whether scores decide what a layer keeps: sinks and recent window do not fill its budget. */
export function isRanked({ budget, sinks, recent }: LayerBudget): boolean {
  return sinks + recent < budget;
}

/** Budgets of a model's layers. Those with a sliding window keep their window; the policy rules the others. */
export function layerBudgets(
  { layers }: { readonly layers: readonly Pick<LayerConfig, "slidingWindow">[] },
  { policy, allocation }: { readonly policy: CachePolicy; readonly allocation: CacheAllocation },
  { budget, sinks, given }: { budget: number; sinks: number; given: ModelSettings["cacheRecent"] },
): LayerBudget[] {
  const numLayers = layers.filter(({ slidingWindow }) => !slidingWindow).length;
  const shared = allocation.layerBudgets({ budget, least: sinks + (given ?? 1), numLayers });
  let next = 0;
  return layers.map(({ slidingWindow }) => {
    if (slidingWindow)
      return { budget: slidingWindow, sinks: 0, recent: slidingWindow, isLocal: true };
    const own = shared[next++] ?? budget;
    // Without scores nothing ranks the tokens between sinks and window: the window takes their place.
    const isScored = policy.scoreKernels !== undefined;
    const recent = isScored ? (given ?? policy.recentTokens(own - sinks)) : own - sinks;
    return { budget: own, sinks, recent };
  });
}
