// From a GGUF file to a model that runs on a device.

import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { ModelSettings, Observer } from "../protocol.ts";
import { readPointer } from "./answer/pointer/pointerWeights.ts";
import { cacheBasisOf } from "./cache/basisPlan.ts";
import type { CacheIdentity } from "./cache/cacheKeeper.ts";
import { type CachePlan, planCache } from "./cache/cachePlan.ts";
import type { KvCacheShape } from "./cache/cacheShape.ts";
import { DUAL_CHUNK, type DualChunk, planDualChunk } from "./cache/dualChunk.ts";
import { KvCache } from "./cache/kvCache.ts";
import { PAGE_TOKENS } from "./cache/recall/pageLayout.ts";
import { createRepetition, repeatSlots } from "./cache/repetition.ts";
import { cacheRotations } from "./cache/rotation.ts";
import { planTail } from "./cache/tail.ts";
import { cacheTypesOf } from "./cache/types.ts";
import { UserError } from "./errors.ts";
import { GpuLanguageModel } from "./generate.ts";
import { GeneratedRecord } from "./generatedRecord.ts";
import type { Gpu } from "./gpu/device.ts";
import type { LanguageModel } from "./languageModel.ts";
import { createDecoder } from "./model/decoder.ts";
import type { DecoderConfig } from "./model/decoderConfig.ts";
import { uploadWeights } from "./model/decoderWeights.ts";
import type { RopesFor } from "./model/documentRope.ts";
import { type ModelWeights, openModel } from "./model/loadWeights.ts";
import { availableMemory, estimateMemory, requireMemory } from "./model/memoryEstimate.ts";
import { keepsBiasApart } from "./model/operations/keyBias.ts";
import { ropeScalingIdOf, ropeScalingOf } from "./model/rope/index.ts";
import type { RopeFrequencies } from "./model/rope/scaling.ts";
import { planSparsity } from "./model/sparsity/sparsityPlan.ts";
import { DEFAULT_CONTEXT_LENGTH, MIN_CONTEXT_LENGTH } from "./modelSettings.ts";
import { ProgressMeter } from "./progress.ts";
import { createTokenizer } from "./tokenizer/createTokenizer.ts";

const CHUNK_LENGTH = { software: 256, hardware: 1024 };

/**
 * Load a model: stream its weights to the GPU, compile its kernels. The device stays the caller's.
 * @throws UserError for files and settings that cannot be used, StoppedError when the signal fires
 */
export async function loadModel(
  gpu: Gpu,
  path: string,
  settings: ModelSettings = {},
  { observer = {}, signal }: { observer?: Observer; signal?: AbortSignal } = {},
): Promise<LanguageModel> {
  const file = await openModel(path);
  try {
    return await build(gpu, file, settings, { observer, signal });
  } finally {
    await file.close();
  }
}

async function build(
  gpu: Gpu,
  file: ModelWeights,
  settings: ModelSettings,
  { observer, signal }: { observer: Observer; signal: AbortSignal | undefined },
): Promise<LanguageModel> {
  const { config } = file;
  const metadata = file.file.metadata.values;
  const tokenizer = createTokenizer(metadata);
  checkShape(config);
  const chunkLength = settings.chunkLength ?? defaultChunkLength(gpu);
  const plan = planCache(settings, config, chunkLength);
  const sparsity = planSparsity(settings, plan);
  const { records, tokensAtOnce } = plan?.policy ?? {};
  const repetition =
    records?.queries === "repeat" && tokensAtOnce
      ? createRepetition(tokenizer, tokensAtOnce)
      : undefined;
  const dualChunk = planDualChunk(settings, config, plan);
  const positions = planPositions(config, settings, { plan, dualChunk });
  const { contextLength, maxSlots, ropes, ropesFor, ropeScaling } = positions;
  const types = cacheTypesOf(settings, config.headDim);
  const tail = planTail(settings, { ...types, plan });
  const basis = await cacheBasisOf(settings, {
    config,
    plan,
    typeK: types.typeK,
    path: file.file.path,
    signal,
  });
  const isKeyBiasApart = keepsBiasApart(config, {
    typeK: types.typeK,
    rotatesKeys: cacheRotations[basis.rotation ?? "off"].keys,
  });
  const cacheShape = {
    numLayers: config.numLayers,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    ...types,
    maxSlots,
    ...(plan && { plan }),
    ...(dualChunk && { dualChunk }),
    ...(tail && { tail }),
    ...basis,
    ropeScaling,
    ...(isKeyBiasApart && { isKeyBiasApart }),
    ...(repetition && { repeatSlots: repeatSlots(repetition) }),
  };
  // The cache grows with what is read: no more than the first chunk has to fit from the beginning.
  const firstChunk = { contextLength: Math.min(chunkLength, contextLength), bytesPerValue: 4 };
  requireMemory(
    estimateMemory(config, file.bytes, firstChunk),
    availableMemory(gpu.capabilities.isSoftware),
    file.file.path,
  );
  const meter = new ProgressMeter(observer, "load", "bytes");
  const pointer = await readPointer(file.file.path, signal).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    observer.log?.("warn", `Answers are weighed without a span pointer: ${error.message}`);
    return undefined;
  });
  const weights = await uploadWeights(gpu, file, {
    onProgress: (done, total) => meter.report(done, total),
    signal,
    isKeyBiasApart,
  });
  const cache = new KvCache(gpu, cacheShape);
  const decoder = await createDecoder(
    gpu,
    { config, weights, cache },
    { chunkLength, ropes, ropesFor, sparsity },
  );
  const name = metadata.get("general.name");
  const model = new GpuLanguageModel({
    gpu,
    decoder,
    cache,
    repetition,
    generated: decoder.eviction?.generated && new GeneratedRecord({ gpu, decoder, cache }),
    name: typeof name === "string" && name !== "" ? name : basename(file.file.path, ".gguf"),
    tokenizer,
    metadata,
    contextLength,
    pointer,
    cacheIdentity: {
      ...cacheIdentity(cacheShape, { chunkLength, ropes }),
      // Frequencies that follow the document are others than the same ones held fast: a cache of either is none of the other's.
      ...(ropesFor && { ropeFollows: "document" }),
      ...(sparsity && { prefillSparsity: sparsity.id, prefillThreshold: sparsity.threshold }),
    },
    // The tail is that of the whole text. What a pass of sparse prefill attends to depends on the tokens behind a prefix as well.
    sharesBlocks: !plan && !sparsity && !tail && !dependsOnLength(config, settings),
    dispose() {
      decoder.dispose();
      cache.dispose();
      weights.dispose();
    },
  });
  try {
    await model.warmUp(signal);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** All that cached keys and values depend on beside the model's file and the tokens. */
function cacheIdentity(
  { typeK, typeV, plan, dualChunk, rotation, lambdas, tail, isKeyBiasApart }: KvCacheShape,
  { chunkLength, ropes }: { chunkLength: number; ropes: readonly RopeFrequencies[] },
): CacheIdentity {
  const rope = createHash("sha256");
  for (const { invFreq, attentionFactor } of ropes)
    rope.update(JSON.stringify([[...invFreq], attentionFactor]));
  return {
    typeK,
    typeV,
    ...(rotation && { rotation }),
    ...(lambdas && { smoothing: digestOf(lambdas) }),
    ...(isKeyBiasApart && { keyBias: "apart" }),
    ...(tail && { residual: tail.residual, sinks: tail.sinks }),
    chunkLength,
    rope: rope.digest("hex"),
    ...(dualChunk && { ...dualChunk, schemeId: DUAL_CHUNK }),
    // All of the plan's ids and numbers, whatever they are: a new one must not be forgotten here.
    ...Object.fromEntries(
      Object.entries(plan ?? {}).filter(
        // How much comes back is decided when a question is read; what was kept of the evicted tokens is not.
        ([name, value]) => name !== "recall" && ["number", "string"].includes(typeof value),
      ),
    ),
    ...(plan?.recall && { pageTokens: PAGE_TOKENS }),
  };
}

function digestOf(arrays: readonly Float32Array[]): string {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(array);
  return hash.digest("hex");
}

/** Whether positions are turned otherwise for longer texts. */
function dependsOnLength({ layers }: DecoderConfig, { ropeScaling }: ModelSettings): boolean {
  return layers.some(({ rope, slidingWindow }) => {
    const scaling = ropeScalingOf(slidingWindow ? "auto" : ropeScaling, rope);
    return scaling.dependsOnLength === true;
  });
}

interface Positions {
  readonly contextLength: number;
  readonly maxSlots: number;
  readonly ropes: RopeFrequencies[];
  readonly ropesFor?: RopesFor;
  /** Of the layers without a window. */
  readonly ropeScaling: string;
}

/** The context length and every layer's frequencies, from the file and the settings. */
function planPositions(
  config: DecoderConfig,
  settings: ModelSettings,
  { plan, dualChunk }: { plan: CachePlan | undefined; dualChunk: DualChunk | undefined },
): Positions {
  const { ropeScaling, ropeFactor, contextLength: wanted } = settings;
  const trained = config.trainedContextLength;
  const [globalLayer = config.layers[0]] = config.layers.filter((layer) => !layer.slidingWindow);
  if (globalLayer === undefined) throw new UserError("The model has no layers: choose another.");
  const longest = ropeScalingOf(ropeScaling, globalLayer.rope, {
    factor: ropeFactor,
  }).contextLength(globalLayer.rope, trained, ropeFactor);
  // Chunks keep all distances within the trained ones: the text may be longer than any context.
  const usual = dualChunk ? DEFAULT_CONTEXT_LENGTH : Math.min(longest, DEFAULT_CONTEXT_LENGTH);
  const contextLength = wanted ?? usual;
  if (!(contextLength >= MIN_CONTEXT_LENGTH))
    throw new UserError(
      `A context of ${contextLength} tokens has no room for a prompt and its answer: give at least ${MIN_CONTEXT_LENGTH}.`,
    );
  // Positions within the cache do not grow with the text, so that it may be longer than any context.
  const maxSlots = plan?.scheme.movesKeys
    ? Math.max(plan.budget + plan.recall + plan.interval, usual)
    : contextLength;
  // Layers with a window never see long distances: their scaling stays the file's.
  const reach = { factor: ropeFactor, ...(!dualChunk && { positions: maxSlots }) };
  const scalingOf = ({ rope, slidingWindow }: typeof globalLayer) =>
    slidingWindow ? ropeScalingOf("auto", rope) : ropeScalingOf(ropeScaling, rope, reach);
  const scalings = config.layers.map(scalingOf);
  const ropesFor = (tokens: number): RopeFrequencies[] =>
    config.layers.map(({ rope, slidingWindow }, layer) => {
      const scaling = scalings[layer] ?? ropeScalingOf(undefined, rope);
      const follows = scaling.followsDocument && !dualChunk;
      const length = dualChunk && !slidingWindow ? trained : maxSlots;
      const request = { contextLength: follows ? Math.min(tokens, maxSlots) : length };
      return scaling.frequencies(rope, { ...request, ...(ropeFactor && { factor: ropeFactor }) });
    });
  const follows = !dualChunk && scalings.some(({ followsDocument }) => followsDocument);
  return {
    ...{ contextLength, maxSlots, ropes: ropesFor(maxSlots) },
    ropeScaling: ropeScalingIdOf(scalingOf(globalLayer)),
    ...(follows && { ropesFor }),
  };
}

/** Sizes that the kernels' vec4 loads need. */
function checkShape(config: DecoderConfig): void {
  for (const name of ["hiddenSize", "intermediateSize", "headDim"] as const) {
    if (config[name] % 4 !== 0) {
      throw new UserError(
        `The model's ${name} is ${config[name]}, and Lectern needs a multiple of 4: choose another model.`,
      );
    }
  }
  if (config.headDim > 256) {
    throw new UserError(
      `The model's head dimension is ${config.headDim}, and Lectern goes up to 256: choose another model.`,
    );
  }
}

function defaultChunkLength(gpu: Gpu): number {
  return gpu.capabilities.isSoftware ? CHUNK_LENGTH.software : CHUNK_LENGTH.hardware;
}
