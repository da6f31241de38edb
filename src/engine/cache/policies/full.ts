// Every token stays.

import type { CachePolicy } from "./policy.ts";

export const full: CachePolicy = {
  description: "keeps every token",
  evicts: false,
  recentTokens: (tokens) => tokens,
  positionScheme: "original",
};
