// Gemma 3: five layers with a sliding window and a theta of 10,000 to one global layer; norms before and after each block.
// Gemma multiplies by 1 + w in its norms; converters store that sum in GGUF files, so nothing is left to add here.

import type { DecoderConfig, LayerConfig } from "../decoderConfig.ts";
import type { Metadata } from "../metadata.ts";
import { commonWeights, type ModelArchitecture, qkNorms } from "./architecture.ts";
import { readCommonConfig, readSlidingWindow } from "./commonConfig.ts";
import { readBase } from "./ropeConfig.ts";

const DEFAULT_PERIOD = 6;
const LOCAL_THETA = 10000;
/** The 27B model scales by its query width per head instead of the head dimension; its depth gives it away. */
const NUM_LAYERS_27B = 62;

export const gemma3: ModelArchitecture = {
  id: "gemma3",
  covers: "Gemma 3 (text)",
  config({ metadata, tensors, ropeFactors }) {
    const config = readCommonConfig(
      { metadata, tensors, ropeFactors },
      {
        id: "gemma3",
        ropePairing: "half",
        activation: "gelu",
        hasQkNorm: true,
        hasPostNorms: true,
        scalesEmbedding: true,
      },
    );
    const attentionScale =
      config.numLayers === NUM_LAYERS_27B
        ? 1 / Math.sqrt(config.hiddenSize / config.numHeads)
        : config.attentionScale;
    return { ...config, attentionScale, layers: readLayers(metadata, config) };
  },
  weights: {
    ...commonWeights,
    ...qkNorms,
    attentionPostNorm: { tensor: "blk.{layer}.post_attention_norm.weight" },
    mlpPostNorm: { tensor: "blk.{layer}.post_ffw_norm.weight" },
  },
};

function readLayers(metadata: Metadata, config: DecoderConfig): readonly LayerConfig[] {
  const slidingWindow = readSlidingWindow(metadata, "gemma3");
  if (slidingWindow === undefined) return config.layers;
  const isLocal = readPattern(metadata);
  const localTheta = readBase(metadata, "gemma3.rope.freq_base_swa") ?? LOCAL_THETA;
  return config.layers.map((layer, index) =>
    isLocal(index)
      ? {
          slidingWindow,
          // Scaling stretches the global layers only: a window never sees long distances.
          rope: { ...layer.rope, theta: localTheta, scaling: { type: "none", factor: 1 } },
        }
      : layer,
  );
}

/** The pattern is a period whose last layer is global, or one flag per layer. */
function readPattern(metadata: Metadata): (layer: number) => boolean {
  const key = "gemma3.attention.sliding_window_pattern";
  const flags = metadata.values.get(key);
  if (Array.isArray(flags)) return (layer) => Boolean(flags[layer]);
  const period = metadata.optionalInteger(key) ?? DEFAULT_PERIOD;
  return (layer) => period === 0 || layer % period < period - 1;
}
