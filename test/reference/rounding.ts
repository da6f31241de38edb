// Rounding as WGSL's `round` does it.

/** The nearest whole number, the even one of two that are as near. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
