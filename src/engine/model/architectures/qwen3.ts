// Qwen3: RMSNorm over each head of q and k before RoPE, no biases; the head dimension is a key of its own.

import { commonWeights, type ModelArchitecture, qkNorms } from "./architecture.ts";
import { readCommonConfig } from "./commonConfig.ts";

export const qwen3: ModelArchitecture = {
  id: "qwen3",
  covers: "Qwen3 (dense)",
  config: (checkpoint) =>
    readCommonConfig(checkpoint, { id: "qwen3", ropePairing: "half", hasQkNorm: true }),
  weights: { ...commonWeights, ...qkNorms },
};
