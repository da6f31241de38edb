// Comparing arrays of floats.

import assert from "node:assert/strict";

/** Fail with the first index whose values differ by more than `tolerance` (absolute, and relative to the expected). */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  assert.equal(actual.length, expected.length, "number of values");
  for (let i = 0; i < expected.length; i++) {
    const [a = Number.NaN, e = Number.NaN] = [actual[i], expected[i]];
    // Written so that NaN fails.
    if (!(Math.abs(a - e) <= tolerance * (1 + Math.abs(e)))) {
      assert.fail(
        `value ${i} of ${expected.length} is ${a} instead of ${e} (tolerance ${tolerance})`,
      );
    }
  }
}
