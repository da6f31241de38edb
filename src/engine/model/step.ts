// Host side of `kernels/common/step.wgsl`: the numbers that change from one forward pass to the next.

import { BufferUsage } from "../gpu/bufferUsage.ts";
import type { Gpu } from "../gpu/device.ts";

/** Index in the KV cache. Not a position: the two part once tokens are evicted. */
export type Slot = number & { readonly unit?: "slot" };
/** What RoPE rotates by. */
export type Position = number & { readonly unit?: "position" };

export interface Step {
  readonly numTokens: number;
  readonly firstPosition: Position;
  readonly firstSlot: Slot;
}

export const STEP_BYTES = 16;

/** A uniform that a kernel may also write, so that decoding advances it without the host. */
export function createStepBuffer(gpu: Gpu): GPUBuffer {
  return gpu.buffers.allocate({
    purpose: "parameters",
    bytes: STEP_BYTES,
    usage: BufferUsage.UNIFORM | BufferUsage.STORAGE | BufferUsage.COPY_DST | BufferUsage.COPY_SRC,
    label: "step",
  });
}

/** Queue new values; commands submitted later see them. */
export function writeStep(gpu: Gpu, buffer: GPUBuffer, step: Step): void {
  const { numTokens, firstPosition, firstSlot } = step;
  gpu.buffers.write(
    buffer,
    0,
    Uint32Array.of(numTokens, firstPosition, firstSlot, firstSlot + numTokens),
  );
}
