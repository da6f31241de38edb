// The figures of a cache with those of what belongs to it: pages of evicted tokens, and the copy of a trunk that branches rewrote.

import type { CacheStats } from "../../protocol.ts";

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
