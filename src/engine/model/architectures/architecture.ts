// What an architecture is to Lectern: its metadata in the decoder's terms, and where its checkpoints keep each weight.
// Everything else (loading, checking shapes, the forward pass) is the same for all of them.

import type { DecoderConfig, WeightRole } from "../decoderConfig.ts";
import type { TensorInfo } from "../gguf.ts";
import type { Metadata } from "../metadata.ts";

/** What a checkpoint says about itself, all an architecture may look at. */
export interface Checkpoint {
  readonly metadata: Metadata;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Divisors of the inverse frequencies by tensor name; only those of `ropeFactorTensors` that the file has. */
  readonly ropeFactors: ReadonlyMap<string, Float32Array>;
}

/** A tensor, or the rows of one that several weights share. `{layer}` in the name stands for the layer's number. */
export interface WeightLocation {
  readonly tensor: string;
  readonly firstRow?: (config: DecoderConfig) => number;
}

export interface ModelArchitecture {
  /** As `general.architecture` names it. */
  readonly id: string;
  /** Model families it covers, for tables. */
  readonly covers: string;
  /** Throws UserError when the metadata are incomplete, contradictory or ask for what the decoder lacks. */
  config(checkpoint: Checkpoint): DecoderConfig;
  /** Every role the architecture can have; `rolesOf` says which of them a config needs. */
  readonly weights: Readonly<Partial<Record<WeightRole, WeightLocation>>>;
}

/** Tensors that hold RoPE divisors: one for llama3 scaling, two for longrope. */
export const ropeFactorTensors = [
  "rope_freqs.weight",
  "rope_factors_long.weight",
  "rope_factors_short.weight",
] as const;

/** The names llama.cpp's converter gives, which most architectures share. */
export const commonWeights = {
  embedding: { tensor: "token_embd.weight" },
  outputNorm: { tensor: "output_norm.weight" },
  output: { tensor: "output.weight" },
  attentionNorm: { tensor: "blk.{layer}.attn_norm.weight" },
  q: { tensor: "blk.{layer}.attn_q.weight" },
  k: { tensor: "blk.{layer}.attn_k.weight" },
  v: { tensor: "blk.{layer}.attn_v.weight" },
  attentionOutput: { tensor: "blk.{layer}.attn_output.weight" },
  mlpNorm: { tensor: "blk.{layer}.ffn_norm.weight" },
  gate: { tensor: "blk.{layer}.ffn_gate.weight" },
  up: { tensor: "blk.{layer}.ffn_up.weight" },
  down: { tensor: "blk.{layer}.ffn_down.weight" },
} as const satisfies Partial<Record<WeightRole, WeightLocation>>;

export const qkvBiases = {
  qBias: { tensor: "blk.{layer}.attn_q.bias" },
  kBias: { tensor: "blk.{layer}.attn_k.bias" },
  vBias: { tensor: "blk.{layer}.attn_v.bias" },
} as const satisfies Partial<Record<WeightRole, WeightLocation>>;

export const qkNorms = {
  qNorm: { tensor: "blk.{layer}.attn_q_norm.weight" },
  kNorm: { tensor: "blk.{layer}.attn_k_norm.weight" },
} as const satisfies Partial<Record<WeightRole, WeightLocation>>;
