// Reads the keys that all architectures share into a DecoderConfig; an architecture passes what sets it apart.

import type { DecoderConfig, LayerConfig } from "../decoderConfig.ts";
import type { Metadata } from "../metadata.ts";
import type { Checkpoint } from "./architecture.ts";
import { readRope } from "./ropeConfig.ts";

/** What the metadata do not say because the architecture fixes it. */
export interface ArchitectureTraits {
  readonly id: string;
  readonly ropePairing: "interleaved" | "half";
  readonly activation?: "silu" | "gelu";
  readonly hasQkNorm?: boolean;
  readonly hasPostNorms?: boolean;
  readonly hasQkvBias?: boolean;
  readonly hasOutputBias?: boolean;
  /** Multiplies the embedding by sqrt(hiddenSize). */
  readonly scalesEmbedding?: boolean;
}

const MAX_LAYERS = 4096;
const MAX_HEADS = 65536;
const MAX_WIDTH = 2 ** 24;

/** The config with every layer alike and global; throws UserError naming the key that is missing or wrong. */
export function readCommonConfig(
  checkpoint: Checkpoint,
  traits: ArchitectureTraits,
): DecoderConfig {
  const { metadata, tensors } = checkpoint;
  const key = (name: string): string => `${traits.id}.${name}`;
  refuseUnsupported(metadata, key);

  const hiddenSize = metadata.integer(key("embedding_length"), { min: 1, max: MAX_WIDTH });
  const numLayers = metadata.integer(key("block_count"), { min: 1, max: MAX_LAYERS });
  const perLayer = (name: string, max: number): number | undefined =>
    sameInEveryLayer(metadata, key(name), { numLayers, max });
  const numHeads =
    perLayer("attention.head_count", MAX_HEADS) ??
    metadata.integer(key("attention.head_count"), { min: 1 });
  const numKvHeads = perLayer("attention.head_count_kv", MAX_HEADS) ?? numHeads;
  if (numHeads % numKvHeads !== 0)
    throw metadata.problem(
      `${numHeads} attention heads cannot share ${numKvHeads} KV heads evenly. Download or convert the model again.`,
    );
  const headDim = readHeadDim(metadata, key, hiddenSize / numHeads);
  const trainedContextLength = metadata.integer(key("context_length"), { min: 1 });
  const rope = readRope(checkpoint, {
    id: traits.id,
    headDim,
    pairing: traits.ropePairing,
    trainedContextLength,
  });
  return {
    architecture: traits.id,
    vocabSize: readVocabSize(checkpoint),
    hiddenSize,
    intermediateSize:
      perLayer("feed_forward_length", MAX_WIDTH) ??
      metadata.integer(key("feed_forward_length"), { min: 1 }),
    numLayers,
    numHeads,
    numKvHeads,
    headDim,
    trainedContextLength,
    rmsNormEpsilon: readEpsilon(metadata, key("attention.layer_norm_rms_epsilon")),
    activation: traits.activation ?? "silu",
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: traits.scalesEmbedding ? Math.sqrt(hiddenSize) : 1,
    hasQkvBias: traits.hasQkvBias ?? false,
    hasOutputBias: traits.hasOutputBias ?? false,
    hasQkNorm: traits.hasQkNorm ?? false,
    hasPostNorms: traits.hasPostNorms ?? false,
    tiedOutput: !tensors.has("output.weight"),
    layers: Array.from({ length: numLayers }, (): LayerConfig => ({ rope })),
  };
}

/** The window a file asks for, in tokens with the query itself; undefined where it asks for none. */
export function readSlidingWindow(metadata: Metadata, id: string): number | undefined {
  return metadata.optionalInteger(`${id}.attention.sliding_window`) || undefined;
}

/** Blocks the decoder has not: better refused by name than computed wrongly. */
function refuseUnsupported(metadata: Metadata, key: (name: string) => string): void {
  const experts = metadata.optionalInteger(key("expert_count")) ?? 0;
  if (experts > 0)
    throw metadata.problem(
      `it is a mixture of ${experts} experts, which Lectern cannot run. Choose a dense model.`,
    );
  for (const name of ["attn_logit_softcapping", "final_logit_softcapping"]) {
    const cap = metadata.optionalNumber(key(name)) ?? 0;
    if (cap !== 0)
      throw metadata.problem(
        `${key(name)} is ${cap}; Lectern has no soft-capping. Choose another model.`,
      );
  }
}

/** A value given once or as a list with one per layer; the decoder needs all layers alike. */
function sameInEveryLayer(
  metadata: Metadata,
  key: string,
  { numLayers, max }: { numLayers: number; max: number },
): number | undefined {
  if (!Array.isArray(metadata.values.get(key)))
    return metadata.optionalInteger(key, { min: 1, max });
  const values = metadata.optionalNumbers(key) ?? [];
  const [first] = values;
  if (first === undefined || !Number.isInteger(first) || first < 1 || first > max)
    throw metadata.problem(
      `${key} begins with ${first}; a whole number from 1 to ${max} is needed.`,
    );
  if (values.length !== numLayers || values.some((value) => value !== first))
    throw metadata.problem(
      `${key} differs between layers, which Lectern cannot run. Choose another model.`,
    );
  return first;
}

function readHeadDim(metadata: Metadata, key: (name: string) => string, fallback: number): number {
  const range = { min: 2, max: 4096 };
  const keyLength = metadata.optionalInteger(key("attention.key_length"), range);
  const headDim = keyLength ?? fallback;
  if (!Number.isInteger(headDim) || headDim < range.min || headDim > range.max)
    throw metadata.problem(
      `the head dimension is ${headDim}; a whole number from ${range.min} to ${range.max} is needed. Download or convert the model again.`,
    );
  const valueLength = metadata.optionalInteger(key("attention.value_length"), range) ?? headDim;
  if (valueLength !== headDim)
    throw metadata.problem(
      `keys have ${headDim} dimensions and values ${valueLength}; Lectern needs them equal. Choose another model.`,
    );
  return headDim;
}

function readEpsilon(metadata: Metadata, key: string): number {
  const epsilon = metadata.number(key);
  if (!(epsilon >= 0 && epsilon < 1))
    throw metadata.problem(
      `${key} is ${epsilon}; a number from 0 to 1 is needed. Download or convert the model again.`,
    );
  return epsilon;
}

/** Rows of the embedding, which must be as many as the tokenizer has tokens. */
function readVocabSize({ metadata, tensors }: Checkpoint): number {
  const embedding = tensors.get("token_embd.weight");
  if (embedding === undefined)
    throw metadata.problem(
      "it has no tensor token_embd.weight. Download or convert the model again.",
    );
  const vocabSize = embedding.shape[1] ?? 1;
  const tokens = metadata.values.get("tokenizer.ggml.tokens");
  if (Array.isArray(tokens) && tokens.length !== vocabSize)
    throw metadata.problem(
      `token_embd.weight has ${vocabSize} rows but the vocabulary ${tokens.length} tokens. Download or convert the model again.`,
    );
  return vocabSize;
}
