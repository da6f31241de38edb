// Expected attention (arXiv:2510.00636): nobody knows the queries to come, but they will be like the last ones, at the next
// positions. What such queries are expected to attend to, times the length of the value, is a slot's score.

import { expectedAttentionScores } from "../queryStatistics.ts";
import { type CachePolicy, shortWindow } from "./policy.ts";

export const expectedAttention: CachePolicy = {
  description:
    "keeps what queries like those since the last eviction are expected to attend to, at the positions to come",
  evicts: true,
  records: { queries: "statistics", accumulates: false },
  // A covariance takes many more queries than a head has dimensions.
  tokensAtOnce: 2048,
  scoreKernels: expectedAttentionScores,
  recentTokens: shortWindow,
  positionScheme: "original",
};
