// KeyDiff (arXiv:2504.15364): keys that point elsewhere than the mean hold what the others do not.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { keyDifferenceScores } from "./scoreKernels.ts";

export const keyDiff: CachePolicy = {
  description: "keeps tokens whose keys differ most from the mean key",
  evicts: true,
  scoreKernels: keyDifferenceScores,
  recentTokens: shortWindow,
  positionScheme: "original",
};
