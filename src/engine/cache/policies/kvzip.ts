// KVzip (arXiv:2505.23416): the model is asked to repeat what it read, and what it looks at while it reads that once more is
// kept, whatever is asked later. A second pass over the text.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { attentionScore } from "./scoreKernels.ts";

export const kvzip: CachePolicy = {
  description:
    "keeps what the model needs to repeat the text, whatever is asked later; reads everything twice",
  evicts: true,
  records: { queries: "repeat", accumulates: true },
  tokensAtOnce: 2048,
  scoreKernels: (shape) => [attentionScore(shape)],
  recentTokens: shortWindow,
  allocation: "global",
  positionScheme: "original",
};
