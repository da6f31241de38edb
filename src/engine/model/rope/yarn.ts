// YaRN (arXiv:2309.00071): high frequencies stay, low ones are interpolated, those between are blended.

import {
  fileAttentionFactor,
  plainFrequencies,
  type RopeScaling,
  scalingFactor,
  stretchedLength,
} from "./scaling.ts";

export const yarn: RopeScaling = {
  description: "YaRN: low frequencies interpolated, high ones kept, attention sharpened",
  frequencies(rope, request) {
    const { dimension, theta, originalContextLength, scaling } = rope;
    const factor = scalingFactor(rope, request);
    // The pair that turns `rotations` times over the original context.
    const pairOf = (rotations: number): number =>
      (dimension * Math.log(originalContextLength / (2 * Math.PI * rotations))) /
      (2 * Math.log(theta));
    const low = Math.max(0, Math.floor(pairOf(scaling.betaFast ?? 32)));
    const high = Math.min(dimension - 1, Math.ceil(pairOf(scaling.betaSlow ?? 1)));
    const width = Math.max(0.001, high - low);
    return {
      invFreq: plainFrequencies(dimension, theta).map((value, pair) => {
        const ramp = Math.min(1, Math.max(0, (pair - low) / width));
        return (value / factor) * ramp + value * (1 - ramp);
      }),
      attentionFactor: fileAttentionFactor(rope) * (1 + 0.1 * Math.log(factor)),
    };
  },
  contextLength: stretchedLength,
};
