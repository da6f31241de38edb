// Whether a model has room for a text, by its context, its adapter and the memory there is.

import type { KvCache } from "./cache/kvCache.ts";
import { UserError } from "./errors.ts";
import { availableMemory } from "./model/memoryEstimate.ts";

/** @throws UserError for more tokens than the context has */
export function requireContext(tokens: number, contextLength: number): void {
  if (tokens <= contextLength) return;
  throw new UserError(
    `The text has ${tokens} tokens and the context ${contextLength}: shorten it or raise the context length.`,
  );
}

/**
 * Allocates nothing.
 * @throws UserError where the adapter cannot bind a cache of so many tokens, or memory does not hold it
 */
export function requireCacheRoom(tokens: number, cache: KvCache, isSoftware: boolean): void {
  const slots = cache.slotsFor(tokens, 0);
  cache.requireFit(slots);
  const bytes = cache.stats().bytesPerToken * Math.max(...slots);
  const available = availableMemory(isSoftware);
  if (bytes <= available) return;
  throw new UserError(
    `A cache of ${tokens} tokens takes ${bytes} bytes, and ${available} are available: give fewer tokens or a smaller cache (--cache-type-k, --cache-policy).`,
  );
}
