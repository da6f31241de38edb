// The operations a model's forward pass is made of, compiled for its shapes and uploaded with what they need.

import { createEviction } from "../cache/createEviction.ts";
import type { Eviction } from "../cache/eviction.ts";
import { keptForm } from "../cache/generatedQueries.ts";
import type { KvCache } from "../cache/kvCache.ts";
import { createRecall, type Recall } from "../cache/recall/recall.ts";
import { cacheRotations } from "../cache/rotation.ts";
import type { Gpu } from "../gpu/device.ts";
import type { DecoderConfig } from "./decoderConfig.ts";
import type { DecoderWeights } from "./decoderWeights.ts";
import type { RopesFor } from "./documentRope.ts";
import { type Attention, createAttention } from "./operations/attention.ts";
import { type CacheBasis, createCacheBasis, queryKeyScales } from "./operations/cacheBasis.ts";
import {
  createDualChunkAttention,
  createDualChunkLayer,
  type DualChunkAttention,
  type DualChunkLayer,
} from "./operations/dualChunkAttention.ts";
import { createEmbed, type Embed } from "./operations/embed.ts";
import { createStorePlaces, type StorePlaces, uploadKeyBias } from "./operations/keyBias.ts";
import { createNll, type Nll } from "./operations/nll.ts";
import { createRmsNorm, type RmsNorm } from "./operations/rmsNorm.ts";
import { createRope, packFrequencies, type Rope } from "./operations/rope.ts";
import { createRotateKeys, type RotateKeys } from "./operations/rotateKeys.ts";
import { createSampler, type Sampler } from "./operations/sampler.ts";
import { createTailAttention, type TailAttention } from "./operations/tailAttention.ts";
import type { RopeFrequencies } from "./rope/scaling.ts";
import { createSparsePrefill, type SparsePrefill } from "./sparsity/sparsePrefill.ts";
import type { SparsityPlan } from "./sparsity/sparsityPlan.ts";

/** A model whose weights are on the GPU, and its cache. */
export interface DecoderModel {
  readonly config: DecoderConfig;
  readonly weights: DecoderWeights;
  readonly cache: KvCache;
}

export interface DecoderOptions {
  readonly chunkLength: number;
  /** Of each layer. */
  readonly ropes: readonly RopeFrequencies[];
  /** Where they follow the length of the document that is read. */
  readonly ropesFor?: RopesFor | undefined;
  /** Absent: prefill attends to every block. */
  readonly sparsity?: SparsityPlan | undefined;
}

export interface LayerOperations {
  readonly rope: Rope;
  readonly frequencies: GPUBuffer;
  readonly attention: Attention;
  /** Where the policy looks at a repeat: attention that leaves the log-sum-exps of the repeat's softmax. */
  readonly repeatAttention?: Attention;
  /** Where keys are cached before RoPE. */
  readonly rotateKeys?: RotateKeys;
  /** Where the cache holds rotated or smoothed rows. */
  readonly basis?: CacheBasis;
  /** Where positions begin anew with every chunk of the text. */
  readonly dual?: DualChunkLayer;
  /** Where the cache has a tail. */
  readonly tailAttention?: TailAttention;
  /** Factors that the basis uses, released with the layer. */
  readonly scales?: GPUBuffer;
  /** Where the cache lists what keys were turned by, and they are not turned later. */
  readonly storePlaces?: StorePlaces;
  /** The bias that keys are cached without, released with the layer. */
  readonly keyBias?: GPUBuffer;
  /** As `rotateKeys`, by a table of ranks, where evicted tokens come back. */
  readonly rotateRanked?: RotateKeys;
}

export interface DecoderOperations {
  readonly embed: Embed;
  readonly norm: RmsNorm;
  readonly postNorm: RmsNorm;
  readonly layers: readonly LayerOperations[];
  readonly nll: Nll;
  readonly sampler: Sampler;
  /** Where the cache is bounded. */
  readonly eviction?: Eviction | undefined;
  /** Where prefill attends to chosen blocks, in layers without a sliding window. */
  readonly sparsePrefill?: SparsePrefill | undefined;
  /** Where evicted tokens may come back. */
  readonly recall?: Recall | undefined;
  /** Where positions begin anew with every chunk of the text. */
  readonly dualChunk?: DualChunkAttention | undefined;
}

/** Compile the operations of a model whose weights are on the GPU. */
export async function createOperations(
  gpu: Gpu,
  { config, weights, cache }: DecoderModel,
  { chunkLength, ropes, sparsity }: DecoderOptions,
): Promise<DecoderOperations> {
  const { hiddenSize: size, rmsNormEpsilon: epsilon, vocabSize } = config;
  const {
    plan,
    typeK: keyType,
    typeV: valueType,
    lambdas,
    rotation = "off",
    dualChunk,
    tail,
    isKeyBiasApart,
  } = cache.shape;
  const movesKeys = plan?.scheme.movesKeys ?? false;
  const attentionShape = {
    numHeads: config.numHeads,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    scale: config.attentionScale,
    window: 0,
    keyType,
    valueType,
    tail,
  };
  const globalShape = {
    ...attentionShape,
    ...(isKeyBiasApart && {
      keyBias: { ...globalRope(config, ropes), isListed: plan !== undefined },
    }),
  };
  const queries = plan?.policy.records?.queries;
  const isRepeated = queries === "repeat";
  const isRecorded = queries === "all" || typeof queries === "number";
  const lse = tail !== undefined || isRecorded ? "all" : "none";
  const layers = config.layers.map(async (layer, index): Promise<LayerOperations> => {
    const frequencies = ropes[index];
    if (frequencies === undefined) throw new Error(`layer ${index} has no RoPE frequencies`);
    const ropeShape = {
      numHeads: config.numHeads,
      numKvHeads: config.numKvHeads,
      headDim: config.headDim,
      ropeDim: layer.rope.dimension,
      pairing: layer.rope.pairing,
      attentionFactor: frequencies.attentionFactor,
      hasQkNorm: config.hasQkNorm,
      epsilon,
      rotatesKeys: !movesKeys,
      ...(dualChunk && !layer.slidingWindow && { period: dualChunk.chunkLength }),
    };
    const isListed = plan !== undefined;
    const notesPlaces = isListed && isKeyBiasApart === true;
    const shape = {
      ...attentionShape,
      ...(isKeyBiasApart && { keyBias: { ...ropeShape, isListed } }),
    };
    const dual =
      dualChunk && !layer.slidingWindow
        ? await createDualChunkLayer(gpu, dualChunk, { ...shape, ...ropeShape })
        : undefined;
    const lambda = lambdas?.[index];
    const scales =
      lambda && gpu.buffers.upload("parameters", queryKeyScales(attentionShape, lambda));
    const tailed = tail && { ...shape, tail, window: layer.slidingWindow ?? 0 };
    const recalls = (plan?.recall ?? 0) > 0;
    const kept = plan && keptForm(plan);
    const keepsQueries = kept === "turned";
    const window = layer.slidingWindow ?? 0;
    const [
      rope,
      attention,
      repeatAttention,
      rotateKeys,
      rotateRanked,
      basis,
      tailAttention,
      storePlaces,
    ] = await Promise.all([
      createRope(gpu, ropeShape, kept === "unturned"),
      dual?.own ?? createAttention(gpu, { ...shape, window, lse, keepsQueries }),
      isRepeated ? createAttention(gpu, { ...shape, window, lse: "repeat" }) : undefined,
      movesKeys ? createRotateKeys(gpu, { ...ropeShape, keyType, notesPlaces }) : undefined,
      movesKeys && recalls
        ? createRotateKeys(gpu, { ...ropeShape, keyType, notesPlaces, isRanked: true })
        : undefined,
      createCacheBasis(gpu, attentionShape, { rotation: cacheRotations[rotation], scales }),
      tailed && createTailAttention(gpu, tailed),
      notesPlaces && !movesKeys ? createStorePlaces(gpu, config.numKvHeads) : undefined,
    ]);
    const packed = packFrequencies(frequencies.invFreq);
    const uploaded = gpu.buffers.upload("parameters", packed);
    const { keyBias: bias } = weights.layers[index] ?? {};
    const keyBias = isKeyBiasApart && bias ? uploadKeyBias(gpu, bias, lambda) : undefined;
    if (keyBias) cache.setKeyBias(index, { bias: keyBias, frequencies: uploaded });
    const optional = {
      ...(repeatAttention && { repeatAttention }),
      ...(rotateKeys && { rotateKeys }),
      ...(rotateRanked && { rotateRanked }),
      ...(basis && { basis }),
      ...(dual && { dual }),
      ...(tailAttention && { tailAttention }),
      ...(keyBias && { keyBias }),
      ...(storePlaces && { storePlaces }),
    };
    return { rope, attention, frequencies: uploaded, ...optional, ...(scales && { scales }) };
  });
  return {
    embed: await createEmbed(gpu, weights.embedding, config.embeddingScale),
    norm: await createRmsNorm(gpu, { size, epsilon, accumulates: false }),
    postNorm: await createRmsNorm(gpu, { size, epsilon, accumulates: true }),
    layers: await Promise.all(layers),
    nll: await createNll(gpu, vocabSize),
    sampler: await createSampler(gpu, vocabSize),
    dualChunk:
      dualChunk &&
      (await createDualChunkAttention(gpu, dualChunk, { shape: attentionShape, chunkLength })),
    recall: plan?.recall
      ? await createRecall(gpu, {
          plan,
          shape: globalShape,
          rope: { ...globalRope(config, ropes), movesKeys },
          numLayers: config.numLayers,
          tokensRead: () => cache.tokensRead,
        })
      : undefined,
    eviction:
      plan &&
      (await createEviction(gpu, plan, {
        shape: globalShape,
        chunkLength,
        rope: { ...globalRope(config, ropes), movesKeys, hasQkNorm: config.hasQkNorm, epsilon },
      })),
    sparsePrefill:
      sparsity &&
      (await createSparsePrefill(gpu, sparsity, {
        shape: { ...globalShape, lse },
        numLayers: config.numLayers,
        chunkLength,
      })),
  };
}

/** RoPE as all layers without a window have it; policies and recall look at no others. */
function globalRope({ layers }: DecoderConfig, ropes: DecoderOptions["ropes"]) {
  const index = Math.max(
    0,
    layers.findIndex(({ slidingWindow }) => !slidingWindow),
  );
  const [layer, frequencies] = [layers[index], ropes[index]];
  if (layer === undefined || frequencies === undefined) throw new Error("the model has no layers");
  const { dimension: ropeDim, pairing } = layer.rope;
  return { ropeDim, pairing, ...frequencies };
}
