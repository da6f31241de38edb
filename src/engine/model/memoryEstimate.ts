// What a model will take on the GPU, known before anything is uploaded.

import { UserError } from "../errors.ts";
import type { DecoderConfig } from "./decoderConfig.ts";

export interface MemoryEstimate {
  readonly weightBytes: number;
  /** Keys and values of the whole context. */
  readonly cacheBytes: number;
  readonly totalBytes: number;
  readonly contextLength: number;
}

const GIB = 2 ** 30;

/** Bytes of `weightBytes` of weights and a cache for `contextLength` tokens of `bytesPerValue` each (2 for f16). */
export function estimateMemory(
  config: DecoderConfig,
  weightBytes: number,
  { contextLength, bytesPerValue }: { contextLength: number; bytesPerValue: number },
): MemoryEstimate {
  const valuesPerToken = 2 * config.numLayers * config.numKvHeads * config.headDim;
  const cacheBytes = valuesPerToken * bytesPerValue * contextLength;
  return { weightBytes, cacheBytes, totalBytes: weightBytes + cacheBytes, contextLength };
}

/**
 * Bytes a model may take: a software adapter's memory is the host's. WebGPU does not tell how much a real one has, so
 * there the allocations themselves must fail.
 */
export function availableMemory(isSoftware: boolean): number {
  return isSoftware ? process.availableMemory() : Number.POSITIVE_INFINITY;
}

/** Throws UserError saying needed and available bytes when the model at `path` does not fit. */
export function requireMemory(
  estimate: MemoryEstimate,
  availableBytes: number,
  path: string,
): void {
  if (estimate.totalBytes <= availableBytes) return;
  const size = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GiB`;
  throw new UserError(
    `${path} needs ${size(estimate.totalBytes)} of GPU memory (${estimate.totalBytes} bytes: weights ${size(estimate.weightBytes)}, cache for ${estimate.contextLength} tokens ${size(estimate.cacheBytes)}) but ${size(availableBytes)} (${availableBytes} bytes) are available: choose a smaller model or a shorter context (--context-length).`,
  );
}
