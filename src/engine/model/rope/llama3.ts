// Llama 3's scaling: divisors per pair from the file, or made from its formula where a factor is given.

import {
  divided,
  fileAttentionFactor,
  plainFrequencies,
  type RopeScaling,
  scalingFactor,
  stretchedLength,
} from "./scaling.ts";

const LOW_FREQUENCY_FACTOR = 1;
const HIGH_FREQUENCY_FACTOR = 4;

export const llama3: RopeScaling = {
  description: "Llama 3: long wavelengths divided by the factor, short ones kept",
  frequencies(rope, request) {
    const { dimension, theta, originalContextLength, scaling } = rope;
    const plain = plainFrequencies(dimension, theta);
    const attentionFactor = fileAttentionFactor(rope);
    if (scaling.freqFactors && request.factor === undefined) {
      return { invFreq: divided(plain, scaling.freqFactors), attentionFactor };
    }
    const factor = scalingFactor(rope, request);
    const invFreq = plain.map((value) => {
      const turns = (originalContextLength * value) / (2 * Math.PI);
      const smooth =
        (turns - LOW_FREQUENCY_FACTOR) / (HIGH_FREQUENCY_FACTOR - LOW_FREQUENCY_FACTOR);
      const kept = Math.min(1, Math.max(0, smooth));
      return ((1 - kept) * value) / factor + kept * value;
    });
    return { invFreq, attentionFactor };
  },
  contextLength: stretchedLength,
};
