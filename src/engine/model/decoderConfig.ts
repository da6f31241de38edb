// A decoder-only transformer in its own terms, whatever the checkpoint called things. Architectures produce it, the decoder reads it.

export interface RopeConfig {
  /** Rotated dimensions of each head (at most headDim). */
  readonly dimension: number;
  readonly theta: number;
  /** `interleaved`: pairs (2i, 2i+1), as llama GGUFs; `half`: pairs (i, i + dimension/2), as qwen, gemma, phi. */
  readonly pairing: "interleaved" | "half";
  /** What the file says about scaling: the default of `--rope-scaling auto`. */
  readonly scaling: RopeScalingMetadata;
  /** Positions the model was trained on before any scaling. */
  readonly originalContextLength: number;
}

export interface RopeScalingMetadata {
  readonly type: "none" | "linear" | "yarn" | "longrope" | "llama3";
  readonly factor: number;
  readonly attentionFactor?: number;
  readonly betaFast?: number;
  readonly betaSlow?: number;
  /** Per-pair divisors of the inverse frequencies [dimension / 2]; llama3's and longrope's, read from tensors. */
  readonly freqFactors?: Float32Array;
  readonly longFactors?: Float32Array;
  readonly shortFactors?: Float32Array;
}

export interface LayerConfig {
  /** Tokens a query sees back, itself included; undefined: all. */
  readonly slidingWindow?: number;
  readonly rope: RopeConfig;
}

export interface DecoderConfig {
  readonly architecture: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly trainedContextLength: number;
  readonly rmsNormEpsilon: number;
  readonly activation: "silu" | "gelu";
  /** Multiplies q·k; usually 1/sqrt(headDim). */
  readonly attentionScale: number;
  /** Multiplies the embedding row; gemma's sqrt(hiddenSize), else 1. */
  readonly embeddingScale: number;
  readonly hasQkvBias: boolean;
  readonly hasOutputBias: boolean;
  readonly hasQkNorm: boolean;
  /** Gemma: RMSNorm after attention and after the MLP, before each residual addition. */
  readonly hasPostNorms: boolean;
  readonly tiedOutput: boolean;
  readonly layers: readonly LayerConfig[];
}

/** What a weight is for; architectures map each to a tensor name (`{layer}` stands for the layer's number). */
export type WeightRole =
  | "embedding"
  | "outputNorm"
  | "output"
  | "attentionNorm"
  | "attentionPostNorm"
  | "q"
  | "k"
  | "v"
  | "qBias"
  | "kBias"
  | "vBias"
  | "qNorm"
  | "kNorm"
  | "attentionOutput"
  | "attentionOutputBias"
  | "mlpNorm"
  | "mlpPostNorm"
  | "gate"
  | "up"
  | "down";
