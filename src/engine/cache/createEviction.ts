// Compiles what evictions under a plan run.

import type { Gpu } from "../gpu/device.ts";
import type { Kernel } from "../gpu/kernel.ts";
import type { AttentionShape } from "../model/operations/attention.ts";
import type { CachePlan } from "./cachePlan.ts";
import { Eviction } from "./eviction.ts";
import { evictionSources } from "./evictionKernels.ts";
import type { QueryRope } from "./policies/policy.ts";
import { createQueryStatistics } from "./queryStatistics.ts";
import { createSharedSelection } from "./sharedSelection.ts";
import { createSlotScores } from "./slotScores.ts";

export interface EvictionParts {
  readonly shape: AttentionShape;
  readonly chunkLength: number;
  /** RoPE of the layers that are scored, for policies that look at the statistics of queries. */
  readonly rope?: QueryRope & { readonly invFreq: Float64Array };
}

export async function createEviction(
  gpu: Gpu,
  plan: CachePlan,
  { shape, chunkLength, rope }: EvictionParts,
): Promise<Eviction> {
  const sources = evictionSources(
    gpu.capabilities,
    shape,
    plan.policy.records?.queries === "repeat",
  );
  const get = (name: keyof typeof sources): Promise<Kernel> => gpu.kernels.get(sources[name]);
  const kernels = {
    sums: await get("sums"),
    select: await get("select"),
    gatherPositions: await get("gatherPositions"),
    gatherKeys: await get("gatherKeys"),
    gatherValues: await get("gatherValues"),
    gatherSums: await get("gatherSums"),
  };
  const shared =
    plan.allocation.among === "head" ? undefined : await createSharedSelection(gpu, plan, shape);
  const numLayers = plan.layers.length;
  const statistics =
    rope && plan.policy.records?.queries === "statistics"
      ? await createQueryStatistics(gpu, { shape, rope, ...rope, numLayers, chunkLength })
      : undefined;
  const scoring = await createSlotScores(gpu, plan, { shape, rope, statistics });
  return new Eviction(gpu, plan, { shape, kernels, scoring, shared, statistics, chunkLength });
}
