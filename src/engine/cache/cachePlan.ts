// What the settings make of the cache: which policy, how many tokens, which positions. Checked before anything is loaded.

import type { ModelSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import type { LayerConfig } from "../model/decoderConfig.ts";
import type { CacheAllocation } from "./allocations/allocation.ts";
import { type CacheAllocationId, cacheAllocationOf } from "./allocations/index.ts";
import { type LayerBudget, layerBudgets } from "./layerBudgets.ts";
import { type CachePolicyId, cachePolicyOf } from "./policies/index.ts";
import type { CachePolicy } from "./policies/policy.ts";
import { type PositionScheme, type PositionSchemeId, positionSchemeOf } from "./positionSchemes.ts";

/** A cache of bounded length. */
export interface CachePlan extends LayerBudget {
  readonly policyId: CachePolicyId;
  readonly policy: CachePolicy;
  readonly schemeId: PositionSchemeId;
  readonly scheme: PositionScheme;
  readonly allocationId: CacheAllocationId;
  readonly allocation: CacheAllocation;
  /** Of each layer; the plan's own budget is the mean that was asked for. */
  readonly layers: readonly LayerBudget[];
  /** Evicted tokens that may come back for a question, to each layer and KV head; 0: what is evicted is gone. */
  readonly recall: number;
  /** Every so many-th query is recorded, where the policy looks at all. */
  readonly queryStride: number;
  /** Tokens between two evictions. */
  readonly interval: number;
}

const DEFAULT_BUDGET = 4096;
const DEFAULT_SINKS = 4;

/**
 * The bounded cache that the settings ask for; `undefined` where every token stays.
 * @throws UserError when the settings contradict each other or the model
 */
export function planCache(
  settings: ModelSettings,
  config: { readonly layers: readonly Pick<LayerConfig, "slidingWindow">[] },
  chunkLength: number,
): CachePlan | undefined {
  const [policyId, policy] = cachePolicyOf(settings.cachePolicy);
  const [schemeId, scheme] = positionSchemeOf(settings.positionScheme ?? policy.positionScheme);
  if (!policy.evicts) {
    refuseBounds(settings, policyId);
    return undefined;
  }
  const [allocationId, allocation] = cacheAllocationOf(
    settings.cacheAllocation ?? policy.allocation ?? "uniform",
  );
  refuseCompetition(policyId, policy, { allocationId, allocation });
  const given = settings.cacheBudget ?? DEFAULT_BUDGET;
  const budget = wholeNumber("budget", given, 2);
  const sinks = wholeNumber("sinks", settings.cacheSinks ?? Math.min(DEFAULT_SINKS, budget - 1), 0);
  const left = Math.max(1, budget - sinks);
  const recent = wholeNumber("recent", settings.cacheRecent ?? policy.recentTokens(left), 1);
  if (sinks + recent > budget) {
    throw new UserError(
      `A cache budget of ${budget} tokens is smaller than ${sinks} sinks and ${recent} recent tokens: raise the budget or lower the others.`,
    );
  }
  const interval = settings.chunkLength ?? policy.tokensAtOnce ?? chunkLength;
  const queryStride = wholeNumber("query stride", settings.cacheQueryStride ?? 1, 1);
  if (queryStride > interval) {
    throw new UserError(
      `A cache query stride of ${queryStride} records no query of a chunk of ${interval} tokens: lower the stride or raise the chunk length.`,
    );
  }
  const recall = wholeNumber("recall", settings.cacheRecall ?? 0, 0);
  if (recall > 0 && allocation.among !== "head") {
    throw new UserError(
      `Recall brings the same number of tokens back to all KV heads of a layer, which hold different numbers under cache allocation ${allocationId}: choose allocation uniform or pyramid, or no recall.`,
    );
  }
  const layers = layerBudgets(
    config,
    { policy, allocation },
    { budget, sinks, given: settings.cacheRecent },
  );
  const ids = { policyId, schemeId, allocationId };
  const kept = { budget, sinks, recent: policy.scoreKernels ? recent : budget - sinks };
  return { ...ids, policy, scheme, allocation, ...kept, layers, recall, queryStride, interval };
}

/** Heads compete by scores of their own. */
function refuseCompetition(
  policyId: CachePolicyId,
  policy: CachePolicy,
  { allocationId, allocation }: Pick<CachePlan, "allocationId" | "allocation">,
): void {
  if (allocation.among === "head") return;
  if (policy.scoreKernels !== undefined && !policy.scoresHeadsAlike) return;
  throw new UserError(
    `Cache allocation ${allocationId} lets heads compete by their scores, and cache policy ${policyId} has none for each head: choose allocation uniform or pyramid, or another policy.`,
  );
}

function refuseBounds(settings: ModelSettings, policyId: CachePolicyId): void {
  for (const name of [
    "cacheBudget",
    "cacheSinks",
    "cacheRecent",
    "cacheRecall",
    "cacheQueryStride",
    "cacheAllocation",
  ] as const) {
    if (settings[name] === undefined) continue;
    throw new UserError(
      `Cache policy ${policyId} keeps every token and has no ${name}: leave it out, or choose a policy that evicts.`,
    );
  }
}

function wholeNumber(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new UserError(
    `The cache ${name} cannot be ${value}: give a whole number of tokens, at least ${least}.`,
  );
}
