// What the settings make of sparse prefill: which selector, which threshold. Checked before anything is loaded.

import type { ModelSettings } from "../../../protocol.ts";
import type { CachePlan } from "../../cache/cachePlan.ts";
import { UserError } from "../../errors.ts";
import { DENSE, type PrefillSelectorId, prefillSelectorOf } from "./index.ts";
import type { PrefillSelector } from "./selector.ts";

export interface SparsityPlan {
  readonly id: PrefillSelectorId;
  readonly selector: PrefillSelector;
  /** Above 0, at most 1: of the blocks in sight, or of the attention foretold. */
  readonly threshold: number;
}

/**
 * The sparse prefill that the settings ask for; `undefined` where it is dense.
 * @throws UserError when the settings contradict each other or the cache's policy
 */
export function planSparsity(
  settings: ModelSettings,
  cache: CachePlan | undefined,
): SparsityPlan | undefined {
  const { prefillSparsity, prefillThreshold } = settings;
  const found = prefillSelectorOf(prefillSparsity);
  if (found === undefined) {
    if (prefillThreshold === undefined) return undefined;
    throw new UserError(
      `Prefill is dense and has no threshold, but ${prefillThreshold} was given: leave it out, or choose a prefill sparsity other than ${DENSE}.`,
    );
  }
  const [id, selector] = found;
  const threshold = prefillThreshold ?? selector.threshold;
  if (!(threshold > 0 && threshold <= 1)) {
    throw new UserError(
      `The prefill threshold cannot be ${threshold}: give a number above 0, at most 1, which is dense.`,
    );
  }
  if (cache?.policy.records !== undefined) {
    throw new UserError(
      `Cache policy ${cache.policyId} ranks tokens by their attention, which prefill sparsity ${id} leaves out in part: choose prefill sparsity ${DENSE}, or a policy that looks at no attention.`,
    );
  }
  if (cache !== undefined && cache.allocationId !== "uniform") {
    throw new UserError(
      `Prefill sparsity ${id} chooses blocks of heads that hold the same number of tokens, which cache allocation ${cache.allocationId} does not: choose allocation uniform, or prefill sparsity ${DENSE}.`,
    );
  }
  return { id, selector, threshold };
}
