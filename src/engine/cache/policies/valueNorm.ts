// Sinks wherever they are: tokens with much attention and a short value (small ‖v‖₂), which attention rests on without
// adding anything.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { valueNormScore } from "./scoreKernels.ts";

export const valueNorm: CachePolicy = {
  description: "keeps sinks wherever they are: much attention, short values",
  evicts: true,
  records: { queries: "all", accumulates: true },
  scoreKernels: (shape) => [valueNormScore(shape)],
  recentTokens: shortWindow,
  positionScheme: "original",
};
