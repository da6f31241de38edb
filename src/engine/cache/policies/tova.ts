// TOVA (arXiv:2401.06104): what the last query of a chunk attends to, averaged over all heads of a layer.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { attentionScore } from "./scoreKernels.ts";

export const tova: CachePolicy = {
  description: "keeps what the last token attends to, the same for all heads of a layer",
  evicts: true,
  scoresHeadsAlike: true,
  records: { queries: 1, accumulates: false },
  scoreKernels: (shape) => [attentionScore(shape, { meanOverHeads: true })],
  recentTokens: shortWindow,
  positionScheme: "original",
};
