// Position Interpolation (arXiv:2306.15595): every frequency divided by the factor.

import {
  fileAttentionFactor,
  plainFrequencies,
  type RopeScaling,
  scalingFactor,
  stretchedLength,
} from "./scaling.ts";

export const linear: RopeScaling = {
  description: "position interpolation: all frequencies divided by the factor",
  frequencies(rope, request) {
    const factor = scalingFactor(rope, request);
    return {
      invFreq: plainFrequencies(rope.dimension, rope.theta).map((value) => value / factor),
      attentionFactor: fileAttentionFactor(rope),
    };
  },
  contextLength: stretchedLength,
};
