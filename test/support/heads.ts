// The table of a layer's KV heads that kernels read, see kernels/common/heads.wgsl.

import { BufferUsage } from "../../src/engine/gpu/bufferUsage.ts";
import type { Gpu } from "../../src/engine/gpu/device.ts";

/** First row and surplus of each head. */
export function uploadHeads(
  gpu: Gpu,
  heads: readonly (readonly [firstRow: number, surplus: number])[],
): GPUBuffer {
  const words = heads.flatMap(([firstRow, surplus]) => [firstRow, surplus, 0, 0]);
  return gpu.buffers.upload("parameters", Int32Array.from(words), {
    usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
  });
}
