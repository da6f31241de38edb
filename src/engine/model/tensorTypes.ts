// The element types of GGUF tensors: how many values a block holds and how many bytes it takes.
// Types the engine cannot run are listed too, so that a file's layout can be checked and its message can name the type.

export interface TensorTypeLayout {
  /** The number GGUF stores. */
  readonly code: number;
  /** Values per block; a row holds whole blocks. */
  readonly blockSize: number;
  readonly blockBytes: number;
}

export const tensorTypes = {
  f32: { code: 0, blockSize: 1, blockBytes: 4 },
  f16: { code: 1, blockSize: 1, blockBytes: 2 },
  q4_0: { code: 2, blockSize: 32, blockBytes: 18 },
  q4_1: { code: 3, blockSize: 32, blockBytes: 20 },
  q5_0: { code: 6, blockSize: 32, blockBytes: 22 },
  q5_1: { code: 7, blockSize: 32, blockBytes: 24 },
  q8_0: { code: 8, blockSize: 32, blockBytes: 34 },
  q8_1: { code: 9, blockSize: 32, blockBytes: 36 },
  q2_k: { code: 10, blockSize: 256, blockBytes: 84 },
  q3_k: { code: 11, blockSize: 256, blockBytes: 110 },
  q4_k: { code: 12, blockSize: 256, blockBytes: 144 },
  q5_k: { code: 13, blockSize: 256, blockBytes: 176 },
  q6_k: { code: 14, blockSize: 256, blockBytes: 210 },
  q8_k: { code: 15, blockSize: 256, blockBytes: 292 },
  iq2_xxs: { code: 16, blockSize: 256, blockBytes: 66 },
  iq2_xs: { code: 17, blockSize: 256, blockBytes: 74 },
  iq3_xxs: { code: 18, blockSize: 256, blockBytes: 98 },
  iq1_s: { code: 19, blockSize: 256, blockBytes: 50 },
  iq4_nl: { code: 20, blockSize: 32, blockBytes: 18 },
  iq3_s: { code: 21, blockSize: 256, blockBytes: 110 },
  iq2_s: { code: 22, blockSize: 256, blockBytes: 82 },
  iq4_xs: { code: 23, blockSize: 256, blockBytes: 136 },
  i8: { code: 24, blockSize: 1, blockBytes: 1 },
  i16: { code: 25, blockSize: 1, blockBytes: 2 },
  i32: { code: 26, blockSize: 1, blockBytes: 4 },
  i64: { code: 27, blockSize: 1, blockBytes: 8 },
  f64: { code: 28, blockSize: 1, blockBytes: 8 },
  iq1_m: { code: 29, blockSize: 256, blockBytes: 56 },
  bf16: { code: 30, blockSize: 1, blockBytes: 2 },
  tq1_0: { code: 34, blockSize: 256, blockBytes: 54 },
  tq2_0: { code: 35, blockSize: 256, blockBytes: 66 },
  mxfp4: { code: 39, blockSize: 32, blockBytes: 17 },
  nvfp4: { code: 40, blockSize: 64, blockBytes: 36 },
  q1_0: { code: 41, blockSize: 128, blockBytes: 18 },
} as const satisfies Record<string, TensorTypeLayout>;

export type TensorType = keyof typeof tensorTypes;

/** The types whose weights the engine can run, in the order messages list them. */
export const runnableTensorTypes = [
  "f32",
  "f16",
  "bf16",
  "q8_0",
  "q4_0",
  "q4_1",
  "q5_0",
  "q5_1",
  "q4_k",
  "q5_k",
  "q6_k",
] as const satisfies readonly TensorType[];

export type RunnableTensorType = (typeof runnableTensorTypes)[number];

const typesByCode = new Map<number, TensorType>(
  // Object.entries loses the key type; the object is a const literal, so its keys are exactly TensorType.
  Object.entries(tensorTypes).map(([type, layout]) => [layout.code, type as TensorType]),
);

/** The type GGUF stores as `code`, or undefined when no such type is known. */
export function tensorTypeOf(code: number): TensorType | undefined {
  return typesByCode.get(code);
}

/** Bytes of one row of `cols` values; `cols` must be a whole number of blocks. */
export function rowBytes(type: TensorType, cols: number): number {
  const { blockSize, blockBytes } = tensorTypes[type];
  return (cols / blockSize) * blockBytes;
}
