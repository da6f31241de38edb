// Sinks and a window: attention in the shape of a Λ (StreamingLLM, arXiv:2309.17453; LM-Infinite, arXiv:2308.16137).

import type { PrefillSelector } from "./selector.ts";
import { recencyScores } from "./selectorKernels.ts";

export const lambda: PrefillSelector = {
  description: "the first block and the latest ones, a Λ-shaped window",
  of: "blocks",
  threshold: 0.25,
  kernels: (_capabilities, shape) => [recencyScores(shape)],
};
