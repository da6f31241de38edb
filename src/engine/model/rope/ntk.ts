// NTK-aware scaling: a larger theta stretches low frequencies and leaves high ones (local order) nearly alone.

import {
  fileAttentionFactor,
  plainFrequencies,
  type RopeScaling,
  scalingFactor,
  stretchedLength,
} from "./scaling.ts";

export const ntk: RopeScaling = {
  description: "NTK-aware: theta times factor^(d / (d − 2))",
  frequencies(rope, request) {
    const { dimension, theta } = rope;
    const factor = scalingFactor(rope, request);
    return {
      invFreq: plainFrequencies(dimension, theta * factor ** (dimension / (dimension - 2))),
      attentionFactor: fileAttentionFactor(rope),
    };
  },
  contextLength: stretchedLength,
};
