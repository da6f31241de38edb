// The cache policies. To add one: a file here and a line below, and a kernel if it needs a new statistic.

import { UserError } from "../../errors.ts";
import { expectedAttention } from "./expectedAttention.ts";
import { full } from "./full.ts";
import { h2o } from "./h2o.ts";
import { keyDiff } from "./keyDiff.ts";
import { keyNorm } from "./keyNorm.ts";
import { kvzip } from "./kvzip.ts";
import { observedAttention } from "./observedAttention.ts";
import type { CachePolicy } from "./policy.ts";
import { snapKv } from "./snapKv.ts";
import { streamingLlm } from "./streamingLlm.ts";
import { tova } from "./tova.ts";
import { valueNorm } from "./valueNorm.ts";

export const cachePolicies = {
  full,
  "streaming-llm": streamingLlm,
  h2o,
  "observed-attention": observedAttention,
  tova,
  snapkv: snapKv,
  "key-norm": keyNorm,
  "key-diff": keyDiff,
  "value-norm": valueNorm,
  "expected-attention": expectedAttention,
  kvzip,
} as const satisfies Record<string, CachePolicy>;

export type CachePolicyId = keyof typeof cachePolicies;

/**
 * The policy a setting names, `full` when it names none.
 * @throws UserError naming the known ones
 */
export function cachePolicyOf(setting: string | undefined): [CachePolicyId, CachePolicy] {
  const id = setting ?? "full";
  const found = Object.entries(cachePolicies).find(([known]) => known === id);
  if (found === undefined) {
    throw new UserError(
      `There is no cache policy "${id}": choose ${Object.keys(cachePolicies).join(", ")}.`,
    );
  }
  // Registry keys are ids.
  return [found[0] as CachePolicyId, found[1]];
}
