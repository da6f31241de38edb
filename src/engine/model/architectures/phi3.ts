// Phi-3, Phi-3.5 and Phi-4-mini: q, k, v in one tensor and gate, up in another, split here by rows; longrope by two
// tensors of divisors. The sliding window is honoured, as the published model does; llama.cpp ignores it.

import type { DecoderConfig } from "../decoderConfig.ts";
import { commonWeights, type ModelArchitecture } from "./architecture.ts";
import { readCommonConfig, readSlidingWindow } from "./commonConfig.ts";

const QKV = "blk.{layer}.attn_qkv.weight";
const GATE_UP = "blk.{layer}.ffn_up.weight";
const queryRows = (config: DecoderConfig): number => config.numHeads * config.headDim;
const keyRows = (config: DecoderConfig): number => config.numKvHeads * config.headDim;

export const phi3: ModelArchitecture = {
  id: "phi3",
  covers: "Phi-3, Phi-3.5, Phi-4-mini",
  config(checkpoint) {
    const config = readCommonConfig(checkpoint, { id: "phi3", ropePairing: "half" });
    const slidingWindow = readSlidingWindow(checkpoint.metadata, "phi3");
    if (slidingWindow === undefined) return config;
    return { ...config, layers: config.layers.map((layer) => ({ ...layer, slidingWindow })) };
  },
  weights: {
    ...commonWeights,
    q: { tensor: QKV, firstRow: () => 0 },
    k: { tensor: QKV, firstRow: queryRows },
    v: { tensor: QKV, firstRow: (config) => queryRows(config) + keyRows(config) },
    gate: { tensor: GATE_UP, firstRow: () => 0 },
    up: { tensor: GATE_UP, firstRow: (config) => config.intermediateSize },
  },
};
