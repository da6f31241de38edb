// The metadata of random models: shapes, RoPE, and a vocabulary small enough for any loader.

import type { WritableValue } from "../../src/engine/model/ggufWriter.ts";
import type { ModelShape, RandomModel } from "./randomModel.ts";

export const RANDOM_VOCABULARY_SIZE = 320;
export const BOS = 1;
export const NORM_EPSILON = 1e-5;

/** Keys of the architecture, without the vocabulary. */
export function describeRandomModel(
  model: RandomModel,
  shape: ModelShape,
): Map<string, WritableValue> {
  const id = model.architecture;
  const u32 = (value: number): WritableValue => ({ type: "u32", value });
  const f32 = (value: number): WritableValue => ({ type: "f32", value });
  const keys = new Map<string, WritableValue>([
    ["general.architecture", { type: "string", value: id }],
    ["general.name", { type: "string", value: `random ${model.format}` }],
    [`${id}.context_length`, u32(shape.contextLength)],
    [`${id}.embedding_length`, u32(shape.hiddenSize)],
    [`${id}.block_count`, u32(shape.numLayers)],
    [`${id}.feed_forward_length`, u32(shape.intermediateSize)],
    [`${id}.attention.head_count`, u32(shape.numHeads)],
    [`${id}.attention.head_count_kv`, u32(shape.numKvHeads)],
    [`${id}.attention.key_length`, u32(shape.headDim)],
    [`${id}.attention.value_length`, u32(shape.headDim)],
    [`${id}.attention.layer_norm_rms_epsilon`, f32(NORM_EPSILON)],
    [`${id}.rope.dimension_count`, u32(model.ropeDimension ?? shape.headDim)],
    [`${id}.rope.freq_base`, f32(model.ropeBase ?? (id === "gemma3" ? 1000000 : 10000))],
    [`${id}.vocab_size`, u32(RANDOM_VOCABULARY_SIZE)],
  ]);
  if (model.slidingWindow !== undefined)
    keys.set(`${id}.attention.sliding_window`, u32(model.slidingWindow));
  switch (model.ropeScaling) {
    case "linear":
    case "yarn":
      keys.set(`${id}.rope.scaling.type`, { type: "string", value: model.ropeScaling });
      keys.set(`${id}.rope.scaling.factor`, f32(4));
      keys.set(`${id}.rope.scaling.original_context_length`, u32(shape.contextLength / 4));
      break;
    case "longrope":
      keys.set(`${id}.rope.scaling.original_context_length`, u32(shape.contextLength / 4));
      keys.set(`${id}.rope.scaling.attn_factor`, f32(1.19));
      break;
    case "llama3":
    case undefined:
      break;
    default:
      return model.ropeScaling satisfies never;
  }
  return keys;
}

/** A SentencePiece vocabulary with byte fallback: enough for any loader, and any id is a token. */
export function tinyVocabulary(size: number): Map<string, WritableValue> {
  const control = ["<unk>", "<s>", "</s>"];
  const tokens = Array.from({ length: size }, (_, id) => {
    const byte = id - control.length;
    if (byte < 0) return control[id] ?? "";
    if (byte < 256) return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    return byte === 256 ? "▁" : String.fromCodePoint("a".charCodeAt(0) + byte - 257);
  });
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  return new Map<string, WritableValue>([
    ["tokenizer.ggml.model", { type: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens }],
    ["tokenizer.ggml.scores", { type: "f32s", value: tokens.map((_, id) => -id) }],
    ["tokenizer.ggml.token_type", { type: "i32s", value: types }],
    ["tokenizer.ggml.unknown_token_id", { type: "u32", value: 0 }],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: BOS }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 2 }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
  ]);
}
