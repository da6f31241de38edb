// PyramidKV (arXiv:2406.02069): attention spreads in early layers and narrows in later ones, so early layers get more, in a
// straight line from the first to the last.

import type { CacheAllocation } from "./allocation.ts";

/** The last layer keeps this part of the mean. */
const STEEPNESS = 20;

export const pyramid: CacheAllocation = {
  description: "gives early layers more tokens and late ones fewer, in a straight line",
  among: "head",
  safeguard: 1,
  layerBudgets({ budget, least, numLayers }) {
    const last = Math.max(least, Math.floor(budget / STEEPNESS));
    const first = 2 * budget - last;
    const step = numLayers > 1 ? (first - last) / (numLayers - 1) : 0;
    return Array.from({ length: numLayers }, (_, layer) =>
      numLayers === 1 ? budget : Math.round(first - layer * step),
    );
  },
};
