// SnapKV (arXiv:2404.14469): what the last 64 queries attend to, smoothed over neighbours. It needs the question to be
// among them.

import { type CachePolicy, shortWindow } from "./policy.ts";
import { attentionScore } from "./scoreKernels.ts";

const OBSERVATION_WINDOW = 64;
const POOL = 5;

export const snapKv: CachePolicy = {
  description:
    "keeps what the last 64 tokens attend to; made for prompts that end with the question",
  evicts: true,
  records: { queries: OBSERVATION_WINDOW, accumulates: false },
  scoreKernels: (shape) => [attentionScore(shape, { pool: POOL })],
  recentTokens: shortWindow,
  positionScheme: "original",
};
