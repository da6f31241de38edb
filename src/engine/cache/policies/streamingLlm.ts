// StreamingLLM (arXiv:2309.17453): the first tokens, which soak up attention, and the last ones.

import type { CachePolicy } from "./policy.ts";

export const streamingLlm: CachePolicy = {
  description:
    "keeps the first tokens and the last ones; forgets the middle of a text by construction",
  evicts: true,
  recentTokens: (tokens) => tokens,
  positionScheme: "in-cache",
};
