// Which weights a decoder of a given config has, and their shapes: rows × cols, vectors as one row.

import type { DecoderConfig, WeightRole } from "./decoderConfig.ts";

export interface WeightShape {
  readonly rows: number;
  readonly cols: number;
}

/** Weights outside the layers; a tied model has no `output`. */
export function modelWeightShapes(config: DecoderConfig): ReadonlyMap<WeightRole, WeightShape> {
  const { vocabSize, hiddenSize } = config;
  const shapes = new Map<WeightRole, WeightShape>([
    ["embedding", { rows: vocabSize, cols: hiddenSize }],
    ["outputNorm", { rows: 1, cols: hiddenSize }],
  ]);
  if (!config.tiedOutput) shapes.set("output", { rows: vocabSize, cols: hiddenSize });
  return shapes;
}

/** Weights of one layer. */
export function layerWeightShapes(config: DecoderConfig): ReadonlyMap<WeightRole, WeightShape> {
  const { hiddenSize, intermediateSize, headDim } = config;
  const queryWidth = config.numHeads * headDim;
  const keyWidth = config.numKvHeads * headDim;
  const vector = (cols: number): WeightShape => ({ rows: 1, cols });
  const shapes = new Map<WeightRole, WeightShape>([
    ["attentionNorm", vector(hiddenSize)],
    ["q", { rows: queryWidth, cols: hiddenSize }],
    ["k", { rows: keyWidth, cols: hiddenSize }],
    ["v", { rows: keyWidth, cols: hiddenSize }],
    ["attentionOutput", { rows: hiddenSize, cols: queryWidth }],
    ["mlpNorm", vector(hiddenSize)],
    ["gate", { rows: intermediateSize, cols: hiddenSize }],
    ["up", { rows: intermediateSize, cols: hiddenSize }],
    ["down", { rows: hiddenSize, cols: intermediateSize }],
  ]);
  if (config.hasQkvBias)
    shapes
      .set("qBias", vector(queryWidth))
      .set("kBias", vector(keyWidth))
      .set("vBias", vector(keyWidth));
  if (config.hasOutputBias) shapes.set("attentionOutputBias", vector(hiddenSize));
  if (config.hasQkNorm) shapes.set("qNorm", vector(headDim)).set("kNorm", vector(headDim));
  if (config.hasPostNorms)
    shapes.set("attentionPostNorm", vector(hiddenSize)).set("mlpPostNorm", vector(hiddenSize));
  return shapes;
}
