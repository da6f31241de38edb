// Key norm (arXiv:2406.11430): short keys tend to receive attention. Needs no queries at all.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { keyNormScore } from "./scoreKernels.ts";

export const keyNorm: CachePolicy = {
  description: "keeps tokens with short keys",
  evicts: true,
  scoreKernels: (shape) => [keyNormScore(shape, false)],
  recentTokens: shortWindow,
  positionScheme: "original",
};
