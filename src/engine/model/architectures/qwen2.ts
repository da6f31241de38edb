// Qwen2 and Qwen2.5: Llama's blocks with biases on q, k and v; RoPE on the two halves of a head.
// Their `use_sliding_window` is off in every published checkpoint and converters do not write it.

import { commonWeights, type ModelArchitecture, qkvBiases } from "./architecture.ts";
import { readCommonConfig } from "./commonConfig.ts";

export const qwen2: ModelArchitecture = {
  id: "qwen2",
  covers: "Qwen2, Qwen2.5",
  config: (checkpoint) =>
    readCommonConfig(checkpoint, { id: "qwen2", ropePairing: "half", hasQkvBias: true }),
  weights: { ...commonWeights, ...qkvBiases },
};
