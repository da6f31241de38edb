// The buffers a forward pass works in: sized by the chunk, never by the document.

import type { Gpu } from "../gpu/device.ts";
import type { DecoderConfig } from "./decoderConfig.ts";
import { qkvSize } from "./operations/rope.ts";

export interface Activations {
  /** Most tokens of a pass. */
  readonly chunkLength: number;
  /** Rows whose logits fit at once. */
  readonly logitRows: number;
  /** Token ids of a chunk [chunkLength]. */
  readonly tokens: GPUBuffer;
  /** Residual stream [chunkLength, hiddenSize]. */
  readonly hidden: GPUBuffer;
  readonly normed: GPUBuffer;
  readonly qkv: GPUBuffer;
  /** [chunkLength, numHeads * headDim] */
  readonly attended: GPUBuffer;
  /** [chunkLength, intermediateSize] */
  readonly gated: GPUBuffer;
  /** A block's output in front of its post norm [chunkLength, hiddenSize]. */
  readonly branch: GPUBuffer;
  /** Rows whose logits are wanted [logitRows, hiddenSize]. */
  readonly outputRows: GPUBuffer;
  /** [logitRows, vocabSize] */
  readonly logits: GPUBuffer;
  readonly targets: GPUBuffer;
  readonly nll: GPUBuffer;
}

const MAX_LOGIT_BYTES = 32 * 2 ** 20;

/** Allocate for chunks of up to `chunkLength` tokens, fewer where a buffer would exceed a binding. */
export function allocateActivations(
  gpu: Gpu,
  config: DecoderConfig,
  chunkLength: number,
): Activations {
  const { hiddenSize, intermediateSize, numHeads, headDim, vocabSize } = config;
  const rowSizes = [hiddenSize, qkvSize(config), numHeads * headDim, intermediateSize];
  const largest = 4 * Math.max(...rowSizes);
  const fitting = Math.floor(gpu.device.limits.maxStorageBufferBindingSize / largest);
  const tokens = Math.max(1, Math.min(chunkLength, fitting));
  const logitRows = Math.max(1, Math.min(tokens, Math.floor(MAX_LOGIT_BYTES / (4 * vocabSize))));
  const floats = (count: number): GPUBuffer =>
    gpu.buffers.allocate({ purpose: "activations", bytes: 4 * count });
  return {
    chunkLength: tokens,
    logitRows,
    tokens: floats(tokens),
    hidden: floats(tokens * hiddenSize),
    normed: floats(tokens * hiddenSize),
    qkv: floats(tokens * qkvSize(config)),
    attended: floats(tokens * numHeads * headDim),
    gated: floats(tokens * intermediateSize),
    branch: floats(config.hasPostNorms ? tokens * hiddenSize : 1),
    outputRows: floats(logitRows * hiddenSize),
    logits: floats(logitRows * vocabSize),
    targets: floats(logitRows),
    nll: floats(logitRows),
  };
}

export function releaseActivations(gpu: Gpu, activations: Activations): void {
  for (const value of Object.values(activations)) {
    if (typeof value !== "number") gpu.buffers.release(value);
  }
}
