// The formats `convert` writes, and how f32 weights become them.

import { quantizeF16 } from "../model/weightFormats/f16.ts";
import { quantizeF32 } from "../model/weightFormats/f32.ts";
import { quantizeQ8_0 } from "../model/weightFormats/q8_0.ts";

/** Encoders by format. Those of block formats take a whole number of blocks. */
export const weightEncoders = {
  f32: quantizeF32,
  f16: quantizeF16,
  q8_0: quantizeQ8_0,
} as const satisfies Record<string, (weights: Float32Array) => Uint8Array>;

export type EncodedType = keyof typeof weightEncoders;
