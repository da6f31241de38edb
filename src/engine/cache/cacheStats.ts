// The figures of a cache with those of what belongs to it: pages of evicted tokens, and the copy of a trunk that branches rewrote.

import type { CacheStats } from "../../protocol.ts";
import { DUAL_CHUNK } from "./dualChunk.ts";
import type { KvCache } from "./kvCache.ts";

/** `stats` of the buffers alone, with all that they stand for. */
export function wholeCacheStats(
  stats: CacheStats,
  { recall, trunkBytes }: { recall: CacheStats["recall"]; trunkBytes: number },
): CacheStats {
  const { bytes, bytesByPurpose, bytesByPlace } = stats;
  const { gpu, host, disk } = bytesByPlace ?? { gpu: bytes, host: 0, disk: 0 };
  const pages = recall?.bytes ?? { gpu: 0, host: 0, disk: 0 };
  return {
    ...stats,
    bytes: bytes + trunkBytes,
    bytesByPurpose: { ...bytesByPurpose, ...(trunkBytes > 0 && { trunk: trunkBytes }) },
    bytesByPlace: {
      gpu: gpu + trunkBytes + pages.gpu,
      host: host + pages.host,
      // Where the cache is saved, its pages are in the same file.
      disk: Math.max(disk, pages.disk),
    },
    ...(recall && { recall }),
  };
}

/** The figures of a cache's buffers alone. */
export function bufferStats(cache: KvCache): CacheStats {
  const { numLayers, numKvHeads, typeK, typeV, typeFallback, plan, dualChunk } = cache.shape;
  const { rotation, lambdas, tail, ropeScaling } = cache.shape;
  const read = cache.tokensRead;
  const bytes = [...cache.planes].map(([plane, perSlot]): [string, number] => [plane, perSlot]);
  const perSlot = bytes.reduce((sum, [, bytes]) => sum + bytes, 0);
  const total = cache.slots.reduce((sum, slots) => sum + slots.total, 0);
  const kept = total / (numLayers * numKvHeads);
  const rows = cache.slots.reduce((sum, slots) => sum + slots.rows, 0);
  const tailBytes = cache.tail?.bytes ?? 0;
  return {
    policy: plan?.policyId ?? "full",
    positionScheme: plan?.schemeId ?? (dualChunk ? DUAL_CHUNK : "original"),
    ...(ropeScaling && { ropeScaling }),
    ...(plan && { allocation: plan.allocationId }),
    ...(plan && { budget: plan.budget, sinks: plan.sinks, recent: plan.recent }),
    ...(plan?.policy.records?.queries === "all" && { queryStride: plan.queryStride }),
    ...(cache.ropeLength !== undefined && { ropeLength: cache.ropeLength }),
    typeK,
    typeV,
    ...(typeFallback && { typeFallback }),
    ...(rotation && rotation !== "off" && { rotation }),
    ...(lambdas && { smoothing: true }),
    ...(tail && { residual: tail.residual }),
    tokensRead: read,
    tokensKept: Math.round(kept),
    tokensEvicted: read - Math.round(kept),
    tokensKeptPerHead: cache.slots.map(({ lengths }) => lengths),
    tokensEvictedPerHead: cache.slots.map(({ lengths }) => lengths.map((held) => read - held)),
    compressionRatio: read === 0 ? 0 : 1 - kept / read,
    bytes: perSlot * rows + tailBytes,
    bytesByPurpose: {
      ...Object.fromEntries(bytes.map(([plane, bytes]) => [plane, bytes * rows])),
      ...(cache.tail && { tail: tailBytes }),
    },
    bytesByPlace: { gpu: perSlot * rows + tailBytes, host: 0, disk: cache.saved?.bytes ?? 0 },
    bytesPerToken: perSlot * numKvHeads * numLayers,
    ...(cache.saved && { diskHitRate: cache.saved.hitRate }),
    ...(cache.restored && { restored: cache.restored }),
  };
}
