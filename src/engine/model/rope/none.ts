// RoPE as trained (arXiv:2104.09864).

import { fileAttentionFactor, plainFrequencies, type RopeScaling } from "./scaling.ts";

export const none: RopeScaling = {
  description: "positions as trained",
  frequencies: (rope) => ({
    invFreq: plainFrequencies(rope.dimension, rope.theta),
    attentionFactor: fileAttentionFactor(rope),
  }),
  contextLength: (_rope, trained) => trained,
};
