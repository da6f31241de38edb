// RoPE as a GGUF file describes it. Formulas belong to ../rope; this only says what the file asks for.

import type { UserError } from "../../errors.ts";
import type { RopeConfig, RopeScalingMetadata } from "../decoderConfig.ts";
import type { Metadata } from "../metadata.ts";
import type { Checkpoint } from "./architecture.ts";

export interface RopeTraits {
  readonly id: string;
  readonly headDim: number;
  readonly pairing: "interleaved" | "half";
  readonly trainedContextLength: number;
}

/** Read dimension, theta and scaling; throws UserError when they contradict the head dimension or each other. */
export function readRope(checkpoint: Checkpoint, traits: RopeTraits): RopeConfig {
  const { metadata } = checkpoint;
  const key = (name: string): string => `${traits.id}.rope.${name}`;
  const dimension = metadata.optionalInteger(key("dimension_count")) ?? traits.headDim;
  if (dimension < 2 || dimension > traits.headDim || dimension % 2 !== 0)
    throw metadata.problem(
      `${key("dimension_count")} is ${dimension}; an even number from 2 to the head dimension ${traits.headDim} is needed. Download or convert the model again.`,
    );
  const theta = readBase(metadata, key("freq_base")) ?? 10000;
  return {
    dimension,
    theta,
    pairing: traits.pairing,
    scaling: readScaling(checkpoint, key, dimension / 2),
    originalContextLength:
      metadata.optionalInteger(key("scaling.original_context_length"), { min: 1 }) ??
      traits.trainedContextLength,
  };
}

function readScaling(
  { metadata, ropeFactors }: Checkpoint,
  key: (name: string) => string,
  numPairs: number,
): RopeScalingMetadata {
  const declared = metadata.optionalString(key("scaling.type"));
  const factor =
    readPositive(metadata, key("scaling.factor")) ??
    readPositive(metadata, key("scale_linear")) ??
    1;
  const factors = (tensor: string): Float32Array | undefined => {
    const values = ropeFactors.get(tensor);
    if (values !== undefined && (values.length !== numPairs || !values.every((value) => value > 0)))
      throw metadata.problem(
        `${tensor} needs ${numPairs} positive values and has ${values.length}. Download or convert the model again.`,
      );
    return values;
  };
  const freqFactors = factors("rope_freqs.weight");
  const longFactors = factors("rope_factors_long.weight");
  const shortFactors = factors("rope_factors_short.weight");
  const attentionFactor = readPositive(metadata, key("scaling.attn_factor"));
  const common = { factor, ...(attentionFactor === undefined ? {} : { attentionFactor }) };

  if (longFactors !== undefined && shortFactors !== undefined)
    return { type: "longrope", ...common, longFactors, shortFactors };
  switch (declared) {
    case "yarn":
      return { type: "yarn", ...common, ...readYarnBounds(metadata, key) };
    case undefined:
    case "none":
    case "linear":
      break;
    default:
      throw metadata.problem(
        `${key("scaling.type")} is ${JSON.stringify(declared)}${declared === "longrope" ? " but its factors are missing" : ""}; none, linear, yarn and longrope are supported.`,
      );
  }
  const isLinear = declared !== "none" && factor !== 1;
  if (freqFactors !== undefined) {
    if (isLinear)
      throw metadata.problem(
        `it has both rope_freqs.weight and a linear factor of ${factor}. Download or convert the model again.`,
      );
    return { type: "llama3", ...common, freqFactors };
  }
  return isLinear ? { type: "linear", ...common } : { type: "none", ...common, factor: 1 };
}

function readYarnBounds(
  metadata: Metadata,
  key: (name: string) => string,
): { betaFast?: number; betaSlow?: number } {
  const betaFast = readPositive(metadata, key("scaling.yarn_beta_fast"));
  const betaSlow = readPositive(metadata, key("scaling.yarn_beta_slow"));
  return {
    ...(betaFast === undefined ? {} : { betaFast }),
    ...(betaSlow === undefined ? {} : { betaSlow }),
  };
}

/** RoPE's θ, which divides: zero is none. */
export function readBase(metadata: Metadata, key: string): number | undefined {
  const value = metadata.optionalNumber(key);
  if (value !== undefined && value <= 0) throw notPositive(metadata, key, value);
  return value;
}

/** Zero means "not set", as llama.cpp reads it. */
function readPositive(metadata: Metadata, key: string): number | undefined {
  const value = metadata.optionalNumber(key);
  if (value === undefined || value === 0) return undefined;
  if (value < 0) throw notPositive(metadata, key, value);
  return value;
}

function notPositive(metadata: Metadata, key: string, value: number): UserError {
  return metadata.problem(
    `${key} is ${value}; a positive number is needed. Download or convert the model again.`,
  );
}
