// The models on which reference, engine and llama.cpp must agree: every architecture in every weight format, and what
// their metadata can ask for beyond that.

import { architectures } from "../../src/engine/model/architectures/index.ts";
import type { TensorType } from "../../src/engine/model/tensorTypes.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import type { RandomModel } from "./randomModel.ts";

export interface ModelCase {
  readonly name: string;
  readonly model: RandomModel;
  readonly numTokens: number;
  /** llama.cpp computes something else here, for the reason given. */
  readonly llamaCppDiffers?: string;
}

/** Longer than the sliding window of the cases that have one. */
const NUM_TOKENS = 40;
const WINDOW = 16;

/** Keys of a const registry, whose type Object.keys loses. */
const architectureIds = Object.keys(architectures) as (keyof typeof architectures)[];
const formatIds = Object.keys(weightFormats) as WeightFormatId[];

/** Every architecture × weight format; published Gemma and small Qwen2 models tie their output. */
export const formatCases: readonly ModelCase[] = architectureIds.flatMap((architecture) =>
  formatIds.map((format) => ({
    name: `${architecture} ${format}`,
    numTokens: NUM_TOKENS,
    model: {
      architecture,
      format,
      tiedOutput: architecture === "gemma3" || architecture === "qwen2",
      ...(architecture === "gemma3" ? { slidingWindow: WINDOW } : {}),
    },
  })),
);

const llama = { architecture: "llama", format: "f32" } as const;
const phi3 = { architecture: "phi3", format: "f32" } as const;
const gemma3 = { architecture: "gemma3", format: "f32", slidingWindow: WINDOW } as const;

/** Shapes, biases, windows and RoPE scalings, in F32, where an error shows most, and mixed formats. */
export const variantCases: readonly ModelCase[] = [
  { name: "llama, tied output", model: { ...llama, tiedOutput: true }, numTokens: NUM_TOKENS },
  {
    name: "llama, biases on q, k, v and output",
    model: { ...llama, hasAttentionBiases: true },
    numTokens: NUM_TOKENS,
  },
  {
    name: "llama, every head its own KV head, head dimension 8",
    model: { ...llama, shape: { numHeads: 8, numKvHeads: 8, headDim: 8 } },
    numTokens: NUM_TOKENS,
  },
  {
    name: "llama, one KV head for 8, head dimension 128",
    model: { ...llama, shape: { numHeads: 8, numKvHeads: 1, headDim: 128 } },
    numTokens: NUM_TOKENS,
  },
  { name: "llama, RoPE linear", model: { ...llama, ropeScaling: "linear" }, numTokens: NUM_TOKENS },
  {
    name: "llama, RoPE divisors",
    model: { ...llama, ropeScaling: "llama3" },
    numTokens: NUM_TOKENS,
  },
  {
    name: "qwen2, RoPE yarn, output of its own",
    model: { architecture: "qwen2", format: "f32", ropeScaling: "yarn" },
    numTokens: NUM_TOKENS,
  },
  {
    name: "llama, sliding window",
    model: { ...llama, slidingWindow: WINDOW },
    numTokens: NUM_TOKENS,
    llamaCppDiffers: "it ignores the window of this architecture",
  },
  {
    name: "gemma3, RoPE linear on global layers, output of its own",
    model: { ...gemma3, ropeScaling: "linear" },
    numTokens: NUM_TOKENS,
  },
  {
    name: "gemma3, head dimension 256",
    model: { ...gemma3, tiedOutput: true, shape: { numHeads: 2, numKvHeads: 1, headDim: 256 } },
    numTokens: NUM_TOKENS,
  },
  {
    name: "phi3, part of each head rotated, head dimension 96",
    model: {
      ...phi3,
      ropeDimension: 72,
      shape: { hiddenSize: 192, numHeads: 2, numKvHeads: 1, headDim: 96 },
    },
    numTokens: NUM_TOKENS,
  },
  {
    name: "phi3, longrope within the original context",
    model: { ...phi3, ropeScaling: "longrope", shape: { contextLength: 4096 } },
    numTokens: NUM_TOKENS,
  },
  {
    name: "phi3, longrope beyond the original context",
    model: { ...phi3, ropeScaling: "longrope", shape: { contextLength: 512 } },
    numTokens: NUM_TOKENS,
  },
  {
    name: "qwen3 q4_k with v and down in q6_k",
    model: { architecture: "qwen3", format: "q4_k", mixed: { v: "q6_k", down: "q6_k" } },
    numTokens: NUM_TOKENS,
  },
  {
    name: "phi3, sliding window",
    model: { ...phi3, slidingWindow: WINDOW },
    numTokens: NUM_TOKENS,
    llamaCppDiffers: "it ignores the window of this architecture",
  },
];

/** Keeps the reference quick where it computes thousands of positions. */
const SMALL_SHAPE = {
  hiddenSize: 64,
  intermediateSize: 96,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 16,
} as const;

/** Prompts of several chunks and, in Gemma's case, of several windows. */
export const longCases: readonly ModelCase[] = [
  {
    name: "llama f16, 1,100 tokens",
    model: { ...llama, format: "f16", shape: SMALL_SHAPE },
    numTokens: 1100,
  },
  {
    name: "gemma3 q8_0, 600 tokens, window of 256",
    model: {
      ...gemma3,
      format: "q8_0",
      tiedOutput: true,
      slidingWindow: 256,
      shape: SMALL_SHAPE,
    },
    numTokens: 600,
  },
];

/** How far log-probabilities may be from llama.cpp's on average, in nat: it rounds activations to BF16 or 8 bits where weights are so. */
export function llamaCppTolerance(format: TensorType): number {
  return format === "f32" || format === "f16" ? 0.01 : 0.03;
}

/** How far the engine may be from the f64 reference on the dequantised weights on average, in nat. */
export const REFERENCE_TOLERANCE = 1e-3;
