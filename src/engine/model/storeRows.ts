// Puts the keys and values of a pass, or of one of its branches, into a layer's cache as the cache holds them.

import type { LayerCache } from "../cache/cacheShape.ts";
import type { TailBuffers } from "../cache/cacheTail.ts";
import type { CommandList } from "../gpu/commandList.ts";
import type { Binding } from "../gpu/kernel.ts";
import type { LayerOperations } from "./decoderOperations.ts";

export interface StoredRows {
  /** [tokens, qkvSize] */
  readonly qkv: Binding;
  readonly cache: LayerCache;
  readonly tail?: TailBuffers | undefined;
  readonly step: GPUBuffer;
}

/** In front of attention: store the rows, keys before RoPE where they move, and then those that attention sees. */
export function encodeStoredRows(
  commands: CommandList,
  { attention, frequencies, tailAttention, rotateKeys, storePlaces }: LayerOperations,
  { qkv, cache, tail, step }: StoredRows,
  tokens: number,
): void {
  const stored = { ...cache, keys: cache.unrotatedKeys ?? cache.keys };
  attention.encodeStore(commands, { qkv, cache: stored, step }, tokens);
  if (tail) tailAttention?.encodeGroups(commands, { qkv, tail, cache, step }, tokens);
  rotateKeys?.(commands, { cache, frequencies, step }, tokens);
  storePlaces?.(commands, { cache, step }, tokens);
}
