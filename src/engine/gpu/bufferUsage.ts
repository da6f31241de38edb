// WebGPU's usage bits. A browser has them as globals; Dawn under Node hands them out as an object.

import { globals } from "webgpu";

const constants = globals as {
  readonly GPUBufferUsage: typeof GPUBufferUsage;
  readonly GPUMapMode: typeof GPUMapMode;
};

export const BufferUsage = constants.GPUBufferUsage;
export const MapMode = constants.GPUMapMode;
