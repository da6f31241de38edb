// H2O by the average instead of the sum: an old token's sum grows with its age alone.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { attentionScore } from "./scoreKernels.ts";

export const observedAttention: CachePolicy = {
  description: "keeps tokens by the mean attention of the queries that could see them",
  evicts: true,
  records: { queries: "all", accumulates: true },
  scoreKernels: (shape) => [attentionScore(shape, { byAge: true })],
  recentTokens: shortWindow,
  positionScheme: "original",
};
