// The forward pass of a decoder in plain f64, written to be obviously right and used to judge the GPU and llama.cpp.
// Weights are dequantised; no cache, no chunks, no batching: every position is computed from all positions before it.

import type { CacheTypeId } from "../../src/engine/cache/types.ts";
import type { DecoderConfig, WeightRole } from "../../src/engine/model/decoderConfig.ts";
import { openModel } from "../../src/engine/model/loadWeights.ts";
import { weightFormats } from "../../src/engine/model/weightFormats/index.ts";
import { throughCache } from "./cacheTypes.ts";
import { chunkOf, type DualChunk, keyPlace, queryPlace } from "./dualChunk.ts";
import { ropeTable, rotate } from "./rope.ts";

export interface ReferenceModel {
  readonly config: DecoderConfig;
  /** Row-major [rows, cols], or a vector. */
  weight(role: WeightRole, layer?: number): Float32Array;
}

/** Deliberate mistakes, to show that a comparison would notice them. */
export interface Mutations {
  readonly swapRopePairing?: boolean;
  /** Added to the query's positions only, so that relative distances change. */
  readonly queryPositionShift?: number;
  /** This head's output is zero in every layer. */
  readonly droppedHead?: number;
  /** Query head h reads KV head h mod numKvHeads instead of floor(h / groupSize). */
  readonly interleavedKvGroups?: boolean;
  readonly ignoreSlidingWindow?: boolean;
}

export interface ReferenceOptions {
  /** Decides between longrope's short and long divisors. Default: the number of tokens. */
  readonly contextLength?: number;
  readonly mutations?: Mutations;
  /** Dual chunk attention in layers without a sliding window. */
  readonly dualChunk?: DualChunk;
  /** Keys behind RoPE as a cache rounds them: with their bias inside, or without it, which is added again. */
  readonly keyRounding?: KeyRounding;
  /** Told the softmax weights of every layer, query position and head: those of the keys from `first` on. */
  readonly onWeights?: OnWeights;
  /** Told the residual stream in front of every layer. */
  readonly onHidden?: (layer: number, hidden: readonly Float64Array[]) => void;
}

export type OnWeights = (
  of: { readonly layer: number; readonly position: number; readonly head: number },
  weights: readonly number[],
  first: number,
) => void;

export interface KeyRounding {
  readonly type: CacheTypeId;
  readonly bias: "inside" | "apart";
}

/** Read and dequantise a whole model. For small files only. */
export async function loadReferenceModel(path: string): Promise<ReferenceModel> {
  const weights = await openModel(path);
  try {
    const values = new Map<string, Float32Array>();
    for (const weight of weights.all()) {
      const array = new Float32Array(weight.rows * weight.cols);
      for await (const { firstRow, numRows, bytes } of weight.slices()) {
        const start = firstRow * weight.cols;
        const rows = array.subarray(start, start + numRows * weight.cols);
        weightFormats[weight.format].dequantize(bytes, rows);
      }
      values.set(`${weight.role}.${weight.layer}`, array);
    }
    return {
      config: weights.config,
      weight(role, layer) {
        const found =
          values.get(`${role}.${layer}`) ??
          (role === "output" ? values.get("embedding.undefined") : undefined);
        if (found === undefined) throw new Error(`the model has no ${role} in layer ${layer}`);
        return found;
      },
    };
  } finally {
    await weights.close();
  }
}

/** ln p of every token after each position: one [vocabSize] array per token. */
export function referenceLogProbabilities(
  model: ReferenceModel,
  tokens: readonly number[],
  options: ReferenceOptions = {},
): Float64Array[] {
  const { config } = model;
  const mutations = options.mutations ?? {};
  const contextLength = options.contextLength ?? tokens.length;
  const embedding = model.weight("embedding");
  let hidden: Float64Array[] = tokens.map((token) =>
    Float64Array.from(
      embedding.subarray(token * config.hiddenSize, (token + 1) * config.hiddenSize),
      (value) => value * config.embeddingScale,
    ),
  );
  for (let layer = 0; layer < config.numLayers; layer++) {
    options.onHidden?.(layer, hidden);
    hidden = runLayer(model, {
      ...{ layer, hidden, contextLength, mutations },
      dualChunk: options.dualChunk,
      keyRounding: options.keyRounding,
      onWeights: options.onWeights,
    });
  }

  const outputNorm = model.weight("outputNorm");
  const output = model.weight("output");
  return hidden.map((x) =>
    logSoftmax(multiply(output, rmsNorm(x, outputNorm, config.rmsNormEpsilon))),
  );
}

/** −ln p(tokens[i + 1] | tokens[0..i]) of each position's target. */
export function referenceNll(
  model: ReferenceModel,
  tokens: readonly number[],
  options: ReferenceOptions = {},
): Float64Array {
  const rows = referenceLogProbabilities(model, tokens, options);
  return Float64Array.from(tokens.slice(1), (token, i) => -(rows[i]?.[token] ?? Number.NaN));
}

interface LayerInput {
  readonly layer: number;
  readonly hidden: readonly Float64Array[];
  readonly contextLength: number;
  readonly mutations: Mutations;
  readonly dualChunk: DualChunk | undefined;
  readonly keyRounding: KeyRounding | undefined;
  readonly onWeights: OnWeights | undefined;
}

function runLayer(model: ReferenceModel, input: LayerInput): Float64Array[] {
  const { config } = model;
  const { layer, hidden } = input;
  const epsilon = config.rmsNormEpsilon;
  const attentionNorm = model.weight("attentionNorm", layer);
  const attended = attend(
    model,
    input,
    hidden.map((x) => rmsNorm(x, attentionNorm, epsilon)),
  );
  return hidden.map((x, token) => {
    const attention = attended[token] ?? new Float64Array(x.length);
    const middle = add(x, postNorm(model, "attentionPostNorm", layer, attention));
    const normed = rmsNorm(middle, model.weight("mlpNorm", layer), epsilon);
    return add(middle, postNorm(model, "mlpPostNorm", layer, mlp(model, layer, normed)));
  });
}

/** Attention of every position to those before it, after the output projection. */
function attend(
  model: ReferenceModel,
  { layer, contextLength, mutations, dualChunk, keyRounding, onWeights }: LayerInput,
  normed: readonly Float64Array[],
): Float64Array[] {
  const { config } = model;
  const { numHeads, numKvHeads, headDim } = config;
  const layerConfig = config.layers[layer];
  if (layerConfig === undefined) throw new Error(`the config has no layer ${layer}`);
  const window = mutations.ignoreSlidingWindow ? undefined : layerConfig.slidingWindow;
  const dual = layerConfig.slidingWindow === undefined ? dualChunk : undefined;
  const table = ropeTable(layerConfig.rope, contextLength);
  const pairing = mutations.swapRopePairing
    ? layerConfig.rope.pairing === "half"
      ? "interleaved"
      : "half"
    : layerConfig.rope.pairing;

  const project = (
    role: "q" | "k" | "v",
    norm: "qNorm" | "kNorm" | undefined,
    place: ((position: number) => number) | undefined,
  ): Float64Array[][] =>
    normed.map((x, position) => {
      const projected = multiply(model.weight(role, layer), x);
      const biased = config.hasQkvBias
        ? add(projected, model.weight(`${role}Bias`, layer))
        : projected;
      return heads(biased, headDim).map((head) => {
        const scaled =
          norm && config.hasQkNorm
            ? rmsNorm(head, model.weight(norm, layer), config.rmsNormEpsilon)
            : head;
        return place === undefined ? scaled : rotate(scaled, place(position), table, pairing);
      });
    });
  const shift = mutations.queryPositionShift ?? 0;
  // Queries by how many chunks earlier the key is, where positions begin anew with each chunk.
  const queriesFor = (dual ? [0, 1, 2] : [0]).map((chunks) =>
    project("q", "qNorm", (position) =>
      dual ? queryPlace(dual, position, chunks) : position + shift,
    ),
  );
  const placeOfKey = (position: number): number => (dual ? keyPlace(dual, position) : position);
  const exactKeys = project("k", "kNorm", placeOfKey);
  const keys =
    keyRounding === undefined
      ? exactKeys
      : exactKeys.map((own, position) => {
          const bias =
            keyRounding.bias === "apart" && config.hasQkvBias
              ? Float64Array.from(model.weight("kBias", layer))
              : new Float64Array(numKvHeads * headDim);
          const biases = heads(bias, headDim);
          return own.map((key, head) => {
            const turned = rotate(at(biases, head), placeOfKey(position), table, pairing);
            const bare = Float32Array.from(key, (value, i) => value - at(turned, i));
            return add(turned, throughCache(keyRounding.type, bare));
          });
        });
  const values = project("v", undefined, undefined);

  const kvHeadOf = (head: number): number =>
    mutations.interleavedKvGroups ? head % numKvHeads : Math.floor(head / (numHeads / numKvHeads));
  const queryAt = (position: number, key: number, head: number): Float64Array => {
    const chunks = dual ? Math.min(2, chunkOf(dual, position) - chunkOf(dual, key)) : 0;
    return at(at(at(queriesFor, chunks), position), head);
  };
  const outputWeight = model.weight("attentionOutput", layer);
  return normed.map((_, position) => {
    const first = window === undefined ? 0 : Math.max(0, position - window + 1);
    const joined = new Float64Array(numHeads * headDim);
    for (let head = 0; head < numHeads; head++) {
      if (head === mutations.droppedHead) continue;
      const kvHead = kvHeadOf(head);
      const scores: number[] = [];
      for (let t = first; t <= position; t++)
        scores.push(
          dot(queryAt(position, t, head), at(at(keys, t), kvHead)) * config.attentionScale,
        );
      const weights = softmax(scores);
      onWeights?.({ layer, position, head }, weights, first);
      weights.forEach((weight, i) => {
        const value = at(at(values, first + i), kvHead);
        // In bounds by the loop, and the innermost one of long prompts.
        for (let d = 0; d < headDim; d++) joined[head * headDim + d]! += weight * value[d]!;
      });
    }
    const output = multiply(outputWeight, joined);
    return config.hasOutputBias ? add(output, model.weight("attentionOutputBias", layer)) : output;
  });
}

function mlp(model: ReferenceModel, layer: number, x: Float64Array): Float64Array {
  const up = multiply(model.weight("up", layer), x);
  const activate = model.config.activation === "silu" ? silu : geluTanh;
  const gated = multiply(model.weight("gate", layer), x).map(
    (gate, i) => activate(gate) * at(up, i),
  );
  return multiply(model.weight("down", layer), gated);
}

function postNorm(
  model: ReferenceModel,
  role: "attentionPostNorm" | "mlpPostNorm",
  layer: number,
  x: Float64Array,
): Float64Array {
  const { hasPostNorms, rmsNormEpsilon } = model.config;
  return hasPostNorms ? rmsNorm(x, model.weight(role, layer), rmsNormEpsilon) : x;
}

/** W x with W row-major [rows, x.length]. */
function multiply(weights: Float32Array, x: Float64Array): Float64Array {
  const cols = x.length;
  const y = new Float64Array(weights.length / cols);
  for (let row = 0; row < y.length; row++) {
    let sum = 0;
    // In bounds by the loops; unchecked access keeps the reference quick enough for long prompts.
    for (let col = 0; col < cols; col++) sum += weights[row * cols + col]! * x[col]!;
    y[row] = sum;
  }
  return y;
}

function rmsNorm(x: Float64Array, weight: Float32Array, epsilon: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(meanSquare + epsilon);
  return x.map((value, i) => value * scale * at(weight, i));
}

function softmax(scores: readonly number[]): number[] {
  const max = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = scores.map((score) => Math.exp(score - max));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

function logSoftmax(logits: Float64Array): Float64Array {
  const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0);
  return logits.map((logit) => logit - max - Math.log(total));
}

function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  // Both have headDim values.
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function add(a: Float64Array, b: ArrayLike<number>): Float64Array {
  return a.map((value, i) => value + at(b, i));
}

function heads(x: Float64Array, headDim: number): Float64Array[] {
  return Array.from({ length: x.length / headDim }, (_, head) =>
    x.slice(head * headDim, (head + 1) * headDim),
  );
}

function at<T>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`index ${index} of ${values.length}`);
  return value;
}
