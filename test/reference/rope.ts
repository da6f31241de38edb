// RoPE in plain f64, formula by formula (arXiv:2104.09864; YaRN arXiv:2309.00071; LongRoPE arXiv:2402.13753).

import type { RopeConfig } from "../../src/engine/model/decoderConfig.ts";

export interface RopeTable {
  /** Angle per position of each pair [dimension / 2]. */
  readonly invFreq: Float64Array;
  /** Multiplies cosine and sine. */
  readonly attentionFactor: number;
}

/** Frequencies for a context of `contextLength` tokens. */
export function ropeTable(rope: RopeConfig, contextLength: number): RopeTable {
  const { dimension, theta, scaling, originalContextLength } = rope;
  const plain = Float64Array.from(
    { length: dimension / 2 },
    (_, pair) => theta ** ((-2 * pair) / dimension),
  );
  const attentionFactor = scaling.attentionFactor ?? 1;
  switch (scaling.type) {
    case "none":
      return { invFreq: plain, attentionFactor };
    case "linear":
      return { invFreq: plain.map((value) => value / scaling.factor), attentionFactor };
    case "llama3":
      return { invFreq: divide(plain, scaling.freqFactors), attentionFactor };
    case "longrope": {
      const isLong = contextLength > originalContextLength;
      const factors = isLong ? scaling.longFactors : scaling.shortFactors;
      return { invFreq: divide(plain, factors), attentionFactor };
    }
    case "yarn": {
      const pairWithRotations = (rotations: number): number =>
        (dimension * Math.log(originalContextLength / (rotations * 2 * Math.PI))) /
        (2 * Math.log(theta));
      const low = Math.max(0, Math.floor(pairWithRotations(scaling.betaFast ?? 32)));
      const high = Math.min(dimension - 1, Math.ceil(pairWithRotations(scaling.betaSlow ?? 1)));
      return {
        invFreq: plain.map((value, pair) => {
          const ramp = clamp01((pair - low) / Math.max(0.001, high - low));
          return (value / scaling.factor) * ramp + value * (1 - ramp);
        }),
        attentionFactor: attentionFactor * (1 + 0.1 * Math.log(scaling.factor)),
      };
    }
    default:
      return scaling.type satisfies never;
  }
}

/** A head [headDim] rotated to `position`; dimensions beyond the rotated ones stay. */
export function rotate(
  head: Float64Array,
  position: number,
  { invFreq, attentionFactor }: RopeTable,
  pairing: RopeConfig["pairing"],
): Float64Array {
  const rotated = head.slice();
  const numPairs = invFreq.length;
  invFreq.forEach((frequency, pair) => {
    const first = pairing === "interleaved" ? 2 * pair : pair;
    const second = pairing === "interleaved" ? 2 * pair + 1 : pair + numPairs;
    const cosine = Math.cos(position * frequency) * attentionFactor;
    const sine = Math.sin(position * frequency) * attentionFactor;
    const x = head[first] ?? 0;
    const y = head[second] ?? 0;
    rotated[first] = x * cosine - y * sine;
    rotated[second] = x * sine + y * cosine;
  });
  return rotated;
}

function divide(values: Float64Array, factors: Float32Array | undefined): Float64Array {
  return values.map((value, i) => value / (factors?.[i] ?? Number.NaN));
}

function clamp01(value: number): number {
  return Math.min(1, Math.max(0, value));
}
