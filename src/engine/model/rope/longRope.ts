// LongRoPE (arXiv:2402.13753): divisors per pair from the file, one set for short contexts and one for long ones.

import { UserError } from "../../errors.ts";
import { divided, plainFrequencies, type RopeScaling } from "./scaling.ts";

export const longRope: RopeScaling = {
  description: "LongRoPE: divisors per frequency from the model file",
  dependsOnLength: true,
  frequencies(rope, { contextLength, factor }) {
    const { dimension, theta, originalContextLength, scaling } = rope;
    const { longFactors, shortFactors } = scaling;
    if (!longFactors || !shortFactors) {
      throw new UserError(
        "RoPE scaling longrope needs divisors that this model file does not have: choose auto, yarn or ntk.",
      );
    }
    const isLong = contextLength > originalContextLength;
    const stretch = factor ?? Math.max(1, contextLength / originalContextLength);
    const formula = Math.sqrt(1 + Math.log(stretch) / Math.log(originalContextLength));
    return {
      invFreq: divided(plainFrequencies(dimension, theta), isLong ? longFactors : shortFactors),
      attentionFactor: scaling.attentionFactor ?? formula,
    };
  },
  contextLength: (_rope, trained) => trained,
};
