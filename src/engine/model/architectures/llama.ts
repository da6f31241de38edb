// Llama and what shares its blocks: Mistral, SmolLM2, TinyLlama, Llama 3.x (whose RoPE divisors come as a tensor).
// Converters permute q and k, so that RoPE rotates interleaved pairs (2i, 2i + 1).

import { commonWeights, type ModelArchitecture, qkvBiases } from "./architecture.ts";
import { readCommonConfig, readSlidingWindow } from "./commonConfig.ts";

export const llama: ModelArchitecture = {
  id: "llama",
  covers: "Llama 2 and 3, Mistral, SmolLM2, TinyLlama, Lectern mini",
  config(checkpoint) {
    const config = readCommonConfig(checkpoint, {
      id: "llama",
      ropePairing: "interleaved",
      hasQkvBias: checkpoint.tensors.has("blk.0.attn_q.bias"),
      hasOutputBias: checkpoint.tensors.has("blk.0.attn_output.bias"),
    });
    const slidingWindow = readSlidingWindow(checkpoint.metadata, "llama");
    if (slidingWindow === undefined) return config;
    return { ...config, layers: config.layers.map((layer) => ({ ...layer, slidingWindow })) };
  },
  weights: {
    ...commonWeights,
    ...qkvBiases,
    attentionOutputBias: { tensor: "blk.{layer}.attn_output.bias" },
  },
};
