// Writes small random-weight GGUFs of every architecture and weight format. Weights are scaled so that attention is
// uneven and the next token is far from uniform: a wrong rotation, shift, head or group then changes every probability.

import { type ArchitectureId, architectures } from "../../src/engine/model/architectures/index.ts";
import type { DecoderConfig, WeightRole } from "../../src/engine/model/decoderConfig.ts";
import {
  type WritableTensor,
  type WritableValue,
  writeGguf,
} from "../../src/engine/model/ggufWriter.ts";
import { type WeightFormatId, weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { layerWeightShapes, modelWeightShapes } from "../../src/engine/model/weightShapes.ts";
import { quantizeWeights } from "./quantizeWeights.ts";
import { random } from "./random.ts";
import {
  BOS,
  describeRandomModel,
  NORM_EPSILON,
  RANDOM_VOCABULARY_SIZE,
  tinyVocabulary,
} from "./randomModelMetadata.ts";

export interface RandomModel {
  readonly architecture: ArchitectureId;
  readonly format: WeightFormatId;
  /** Weights in another format than the rest, as mixed quantisations have. */
  readonly mixed?: Partial<Record<WeightRole, WeightFormatId>>;
  readonly tiedOutput?: boolean;
  readonly seed?: number;
  /** Defaults suit the format: multiples of 256 where its blocks are that long. */
  readonly shape?: Partial<ModelShape>;
  readonly ropeScaling?: "linear" | "yarn" | "llama3" | "longrope";
  /** Default: as published models of the architecture have it. */
  readonly ropeBase?: number;
  /** Tokens; gemma3's local layers, or all layers of llama and phi3. */
  readonly slidingWindow?: number;
  /** Biases on q, k, v and the attention output, where the architecture has them optionally (llama). */
  readonly hasAttentionBiases?: boolean;
  /** Spread of the bias on k. Default 0.5; published Qwen2 models have entries of tens to hundreds. */
  readonly keyBiasSpread?: number;
  /** Rotated dimensions, where the architecture allows fewer than the head has. */
  readonly ropeDimension?: number;
}

export interface ModelShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly contextLength: number;
}

const FIRST_ORDINARY_TOKEN = 3;
/** Spread of q·k·scale, so that softmax prefers some tokens. */
const SCORE_SPREAD = 1;
/** Spread of the logits, for an entropy below half of ln V, by the length of the format's blocks. */
const LOGIT_SPREAD = { short: 3.2, long: 2.85 };
/** With a tied output a token's own logit stands out by this much; it alone brings the entropy down. */
const TIED_OWN_LOGIT = 11;
/** Larger than what the blocks add: llama.cpp rounds activations to 8 bits, and each block passes its error on. */
const EMBEDDING_SPREAD = 2;

/** A model of one small layer, for tests of files rather than of figures. */
export function smallModel(): ReturnType<typeof randomModelContents> {
  const shape = { hiddenSize: 32, intermediateSize: 32, numLayers: 1, numHeads: 2, headDim: 16 };
  return randomModelContents({ architecture: "llama", format: "f32", shape });
}

/** A prompt of `length` tokens: BOS, then any but the special ones. */
export function randomPrompt(length: number, seed = 1): number[] {
  const next = random(seed);
  const ordinary = RANDOM_VOCABULARY_SIZE - FIRST_ORDINARY_TOKEN;
  return Array.from({ length }, (_, i) =>
    i === 0 ? BOS : FIRST_ORDINARY_TOKEN + Math.floor(next() * ordinary),
  );
}

/** Write the model to `path`. */
export async function writeRandomModel(path: string, model: RandomModel): Promise<void> {
  await writeGguf(path, randomModelContents(model));
}

/** What `writeRandomModel` writes, for tests that change it first. */
export function randomModelContents(model: RandomModel): {
  readonly metadata: Map<string, WritableValue>;
  readonly tensors: WritableTensor[];
} {
  const shape = shapeOf(model);
  const metadata = new Map<string, WritableValue>([
    ...describeRandomModel(model, shape),
    ...tinyVocabulary(RANDOM_VOCABULARY_SIZE),
  ]);
  return { metadata, tensors: buildTensors(model, shape) };
}

function shapeOf({ architecture, format, shape }: RandomModel): ModelShape {
  const isLongBlock = hasLongBlocks(format);
  const hasNarrowHeads = architecture === "qwen2" || architecture === "phi3";
  return {
    hiddenSize: isLongBlock ? 256 : 128,
    intermediateSize: isLongBlock ? 256 : 192,
    // Gemma's sixth layer is its first global one.
    numLayers: architecture === "gemma3" ? 6 : 2,
    // The heads together are wider than the hidden state, so that no code may take one for the other;
    // llama.cpp wants them equal in two architectures.
    numHeads: hasNarrowHeads ? 4 : isLongBlock ? 8 : 6,
    numKvHeads: 2,
    headDim: isLongBlock ? 64 : 32,
    contextLength: 4096,
    ...shape,
  };
}

function hasLongBlocks(format: WeightFormatId): boolean {
  return weightFormats[format].blockSize === 256;
}

interface TensorParts {
  readonly cols: number;
  rows: number;
  readonly format: WeightFormatId;
  readonly values: Float32Array[];
}

function buildTensors(model: RandomModel, shape: ModelShape): WritableTensor[] {
  const config = configOf(model, shape);
  const { weights } = architectures[model.architecture];
  const gaussian = gaussians(model.seed ?? 1);
  // Weights that share a tensor are its rows one after another, in the order of the roles.
  const parts = new Map<string, TensorParts>();
  const place = (role: WeightRole, layer?: number): void => {
    const shapes = layer === undefined ? modelWeightShapes(config) : layerWeightShapes(config);
    const extent = shapes.get(role);
    const location = weights[role];
    if (extent === undefined || location === undefined) return;
    const name = location.tensor.replace("{layer}", `${layer}`);
    const format = model.mixed?.[role] ?? model.format;
    const tensor = parts.get(name) ?? { cols: extent.cols, rows: 0, format, values: [] };
    const { mean, spread } = distribution(role, config, model);
    tensor.values.push(
      Float32Array.from({ length: extent.rows * extent.cols }, () => mean + spread * gaussian()),
    );
    tensor.rows += extent.rows;
    parts.set(name, tensor);
  };
  for (const role of modelWeightShapes(config).keys()) place(role);
  for (let layer = 0; layer < config.numLayers; layer++)
    for (const role of layerWeightShapes(config).keys()) place(role, layer);

  const tensors = [...parts].map(([name, { cols, rows, format, values }]): WritableTensor => {
    const joined = new Float32Array(rows * cols);
    let filled = 0;
    for (const part of values) {
      joined.set(part, filled);
      filled += part.length;
    }
    const isVector = rows === 1;
    // As published quantised files do, the output keeps more bits than the layers.
    const isFineOutput = name === "output.weight" && weightFormats[format].blockSize > 1;
    const type = isVector ? "f32" : isFineOutput ? "f16" : format;
    return {
      name,
      shape: isVector ? [cols] : [cols, rows],
      type,
      data: () => [quantizeWeights(type, joined)],
    };
  });
  return [...tensors, ...ropeFactors(model, shape)];
}

/** Only what shapes and distributions depend on. */
function configOf(model: RandomModel, shape: ModelShape): DecoderConfig {
  const { architecture } = model;
  return {
    architecture,
    vocabSize: RANDOM_VOCABULARY_SIZE,
    ...shape,
    trainedContextLength: shape.contextLength,
    rmsNormEpsilon: NORM_EPSILON,
    activation: architecture === "gemma3" ? "gelu" : "silu",
    attentionScale: 1 / Math.sqrt(shape.headDim),
    embeddingScale: architecture === "gemma3" ? Math.sqrt(shape.hiddenSize) : 1,
    hasQkvBias: architecture === "qwen2" || model.hasAttentionBiases === true,
    hasOutputBias: model.hasAttentionBiases === true,
    hasQkNorm: architecture === "qwen3" || architecture === "gemma3",
    hasPostNorms: architecture === "gemma3",
    tiedOutput: model.tiedOutput ?? false,
    layers: [],
  };
}

/** Mean and spread of a weight's values, which keep every activation near 1. */
function distribution(
  role: WeightRole,
  config: DecoderConfig,
  model: RandomModel,
): { mean: number; spread: number } {
  const { hiddenSize, intermediateSize, numHeads, headDim } = config;
  const root = Math.sqrt(hiddenSize);
  const around = (mean: number): { mean: number; spread: number } => ({ mean, spread: mean / 5 });
  switch (role) {
    case "embedding":
      return { mean: 0, spread: EMBEDDING_SPREAD / config.embeddingScale };
    case "output":
      return {
        mean: 0,
        spread: LOGIT_SPREAD[hasLongBlocks(model.format) ? "long" : "short"] / root,
      };
    case "outputNorm":
      // A tied output has the embedding's spread; the norm before it makes up for that.
      return around(
        model.tiedOutput
          ? (TIED_OWN_LOGIT * config.embeddingScale) / (hiddenSize * EMBEDDING_SPREAD)
          : 1,
      );
    case "q":
    case "k":
      return { mean: 0, spread: Math.sqrt(SCORE_SPREAD) / root };
    case "qNorm":
    case "kNorm":
      return around(Math.sqrt(SCORE_SPREAD));
    case "v":
    case "gate":
    case "up":
      return { mean: 0, spread: 1 / root };
    case "attentionOutput":
      return { mean: 0, spread: 1 / Math.sqrt(numHeads * headDim) };
    case "down":
      return { mean: 0, spread: 1 / Math.sqrt(intermediateSize) };
    case "kBias":
      return { mean: 0, spread: model.keyBiasSpread ?? 0.5 };
    case "qBias":
    case "vBias":
    case "attentionOutputBias":
      return { mean: 0, spread: 0.5 };
    case "attentionNorm":
    case "mlpNorm":
      return around(1);
    case "attentionPostNorm":
    case "mlpPostNorm":
      return around(0.5);
    default:
      return role satisfies never;
  }
}

function ropeFactors(model: RandomModel, shape: ModelShape): WritableTensor[] {
  const numPairs = (model.ropeDimension ?? shape.headDim) / 2;
  const factors = (name: string, at: (pair: number) => number): WritableTensor => ({
    name,
    shape: [numPairs],
    type: "f32",
    data: () => [
      quantizeWeights(
        "f32",
        Float32Array.from({ length: numPairs }, (_, i) => at(i)),
      ),
    ],
  });
  switch (model.ropeScaling) {
    case "llama3":
      return [factors("rope_freqs.weight", (pair) => (pair < numPairs / 2 ? 1 : 8))];
    case "longrope":
      return [
        factors("rope_factors_long.weight", (pair) => 1 + pair),
        factors("rope_factors_short.weight", (pair) => 1 + pair / numPairs),
      ];
    default:
      return [];
  }
}

/** Normal deviates by the Box-Muller transform. */
function gaussians(seed: number): () => number {
  const next = random(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
