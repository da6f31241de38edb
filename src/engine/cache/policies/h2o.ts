// H2O (arXiv:2306.14048): tokens that received most attention so far, and as many recent ones; per KV head.

import type { CachePolicy } from "./policy.ts";
import { attentionScore } from "./scoreKernels.ts";

export const h2o: CachePolicy = {
  description:
    "keeps heavy hitters, the tokens that received most attention, and as many recent ones",
  evicts: true,
  records: { queries: "all", accumulates: true },
  scoreKernels: (shape) => [attentionScore(shape)],
  recentTokens: (tokens) => Math.max(1, Math.floor(tokens / 2)),
  positionScheme: "original",
};
