// Dynamic NTK: theta grows with the length of the document. It is fixed when the document is begun, because keys in the cache
// were rotated with it.

import {
  fileAttentionFactor,
  plainFrequencies,
  type RopeScaling,
  stretchedLength,
} from "./scaling.ts";

export const dynamicNtk: RopeScaling = {
  description: "NTK with a theta that follows the length of the document, fixed when it is begun",
  dependsOnLength: true,
  followsDocument: true,
  frequencies(rope, { contextLength, factor = 1 }) {
    const { dimension, theta, originalContextLength } = rope;
    const length = Math.max(contextLength, originalContextLength);
    const growth = (factor * length) / originalContextLength - (factor - 1);
    return {
      invFreq: plainFrequencies(dimension, theta * growth ** (dimension / (dimension - 2))),
      attentionFactor: fileAttentionFactor(rope),
    };
  },
  contextLength: stretchedLength,
};
