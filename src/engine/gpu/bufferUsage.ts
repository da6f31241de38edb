// WebGPU's constants and error classes. A browser has them as globals; Dawn under Node hands them out as an object.

import { globals } from "webgpu";

const constants = globals as {
  readonly GPUBufferUsage: typeof GPUBufferUsage;
  readonly GPUMapMode: typeof GPUMapMode;
  readonly GPUOutOfMemoryError: typeof GPUOutOfMemoryError;
};

export const BufferUsage = constants.GPUBufferUsage;
export const MapMode = constants.GPUMapMode;

/** Whether a buffer could not be had, as opposed to a command that was wrong. */
export function isOutOfMemory(error: GPUError): boolean {
  return error instanceof constants.GPUOutOfMemoryError;
}
