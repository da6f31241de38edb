// A list of blocks for each head by pooled queries and keys: the block-sparse form of FlashAttention (arXiv:2205.14135) with
// the estimate of FlexPrefill's query-aware heads (arXiv:2502.20766).

import type { PrefillSelector } from "./selector.ts";
import { keyMeans, meanScores } from "./selectorKernels.ts";

export const blockSparse: PrefillSelector = {
  description: "blocks whose mean keys draw the mean query's attention, up to the threshold's mass",
  of: "mass",
  threshold: 0.9,
  kernels: (capabilities, shape) => [keyMeans(shape), meanScores(capabilities, shape)],
  words: ({ numKvHeads, headDim }, { key }) => ({ means: numKvHeads * key * headDim }),
};
