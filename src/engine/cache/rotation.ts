// Which of keys and values are cached rotated by a Hadamard matrix. To add one: a line here.

export interface CacheRotation {
  /** One phrase for settings and tables. */
  readonly description: string;
  readonly keys: boolean;
  readonly values: boolean;
}

export const cacheRotations = {
  off: { description: "nothing is rotated", keys: false, values: false },
  keys: { description: "queries and keys are rotated", keys: true, values: false },
  values: {
    description: "values are rotated, and the output back",
    keys: false,
    values: true,
  },
  on: { description: "keys and values are rotated", keys: true, values: true },
} as const satisfies Record<string, CacheRotation>;

export type CacheRotationId = keyof typeof cacheRotations;

/** Dimensions that are rotated together: the largest power of two that divides the head dimension. */
export function rotationBlock(headDim: number): number {
  return headDim & -headDim;
}
