// What the settings make of the cache: which policy, how many tokens, which positions. Checked before anything is loaded.

import type { ModelSettings } from "../../protocol.ts";
import { UserError } from "../errors.ts";
import type { LayerConfig } from "../model/decoderConfig.ts";
import { type CachePolicyId, cachePolicyOf } from "./policies/index.ts";
import type { CachePolicy } from "./policies/policy.ts";
import { type PositionScheme, type PositionSchemeId, positionSchemeOf } from "./positionSchemes.ts";

/** What an eviction leaves of a layer: tokens per KV head, sinks and recent window included. */
export interface LayerBudget {
  readonly budget: number;
  readonly sinks: number;
  readonly recent: number;
}

/** A cache of bounded length. */
export interface CachePlan extends LayerBudget {
  readonly policyId: CachePolicyId;
  readonly policy: CachePolicy;
  readonly schemeId: PositionSchemeId;
  readonly scheme: PositionScheme;
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
  interval: number,
): CachePlan | undefined {
  const [policyId, policy] = cachePolicyOf(settings.cachePolicy);
  const [schemeId, scheme] = positionSchemeOf(settings.positionScheme ?? policy.positionScheme);
  if (!policy.evicts) {
    refuseBounds(settings, policyId);
    return undefined;
  }
  if (config.layers.some(({ slidingWindow }) => slidingWindow)) {
    throw new UserError(
      `Cache policy ${policyId} does not know layers with a sliding window, which this model has: use policy full.`,
    );
  }
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
  // Without scores nothing ranks the tokens between sinks and window: the window takes their place.
  const window = policy.scoreKernels === undefined ? budget - sinks : recent;
  const queryStride = wholeNumber("query stride", settings.cacheQueryStride ?? 1, 1);
  if (queryStride > interval) {
    throw new UserError(
      `A cache query stride of ${queryStride} records no query of a chunk of ${interval} tokens: lower the stride or raise the chunk length.`,
    );
  }
  const recall = wholeNumber("recall", settings.cacheRecall ?? 0, 0);
  const kept = { budget, sinks, recent: window };
  const layers = config.layers.map(() => kept);
  return { policyId, policy, schemeId, scheme, ...kept, layers, recall, queryStride, interval };
}

function refuseBounds(settings: ModelSettings, policyId: CachePolicyId): void {
  for (const name of [
    "cacheBudget",
    "cacheSinks",
    "cacheRecent",
    "cacheRecall",
    "cacheQueryStride",
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
