// What a RoPE scaling is: data for the kernels, made on the CPU. Formulas as in Hugging Face's modeling_rope_utils.

import type { RopeConfig } from "../decoderConfig.ts";

export interface RopeRequest {
  /** Tokens that prompt and answer may take together. */
  readonly contextLength: number;
  /** The user's factor; absent: the file's, else what the context length asks for. */
  readonly factor?: number;
}

export interface RopeFrequencies {
  /** Radians per position of each rotated pair [dimension / 2]. */
  readonly invFreq: Float64Array;
  /** Multiplies cosine and sine, so that scores get its square. */
  readonly attentionFactor: number;
}

export interface RopeScaling {
  /** One sentence for settings and tables. */
  readonly description: string;
  /** The frequencies follow the context length: what one length made is of no use to another. */
  readonly dependsOnLength?: boolean;
  /** They follow the length of the document that is read, and stay so until another is begun. */
  readonly followsDocument?: boolean;
  /** Throws UserError when the model lacks what the scaling needs. */
  frequencies(rope: RopeConfig, request: RopeRequest): RopeFrequencies;
  /** Longest context it was made for, from the trained one. */
  contextLength(rope: RopeConfig, trained: number, factor: number | undefined): number;
}

/** theta^(−2i / dimension) for each pair i. */
export function plainFrequencies(dimension: number, theta: number): Float64Array {
  return Float64Array.from({ length: dimension / 2 }, (_, i) => theta ** ((-2 * i) / dimension));
}

/** The user's factor, else the file's, else how far the context reaches beyond the original one. */
export function scalingFactor(rope: RopeConfig, { factor, contextLength }: RopeRequest): number {
  if (factor !== undefined) return factor;
  if (rope.scaling.factor !== 1) return rope.scaling.factor;
  return Math.max(1, contextLength / rope.originalContextLength);
}

/** The attention factor a file gives, else 1. */
export function fileAttentionFactor({ scaling }: RopeConfig): number {
  return scaling.attentionFactor ?? 1;
}

/** Context of a scaling that stretches the original one by its factor. */
export function stretchedLength(
  rope: RopeConfig,
  trained: number,
  factor: number | undefined,
): number {
  if (factor === undefined) return trained;
  return Math.round(rope.originalContextLength * factor);
}

/** Each frequency divided by its factor. */
export function divided(values: Float64Array, factors: Float32Array): Float64Array {
  return values.map((value, i) => value / (factors[i] ?? 1));
}
