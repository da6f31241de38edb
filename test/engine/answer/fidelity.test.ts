// How far two caches are from each other.

import assert from "node:assert/strict";
import { compare, comparedText } from "../../../src/engine/answer/fidelity.ts";
import { UserError } from "../../../src/engine/errors.ts";

const logs = (...rows: number[][]) => rows.map((row) => Float32Array.from(row.map(Math.log)));

describe("the fidelity of a cache", () => {
  it("is whole for equal predictions", () => {
    const rows = logs([0.5, 0.25, 0.25], [0.1, 0.1, 0.8]);
    const expected = { predictions: 2, topAgreement: 1, meanKl: 0, maxKl: 0 };
    assert.deepEqual(compare(rows, rows), expected);
  });

  it("counts the likeliest tokens that agree, and the divergence from the full cache", () => {
    const full = logs([0.5, 0.5 - 1e-6, 1e-6], [0.75, 0.125, 0.125]);
    const other = logs([0.25, 0.75 - 1e-6, 1e-6], [0.5, 0.25, 0.25]);
    const { topAgreement, meanKl, maxKl } = compare(full, other);
    assert.equal(topAgreement, 0.5);
    const first = 0.5 * Math.log(2) + 0.5 * Math.log(0.5 / 0.75);
    const second = 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5);
    assert.ok(Math.abs(meanKl - (first + second) / 2) < 1e-5);
    assert.ok(Math.abs(maxKl - Math.max(first, second)) < 1e-5);
  });

  it("is measured at the end of what fits into the context", () => {
    const tokens = Array.from({ length: 2000 }, (_, i) => i);
    const sizes = { contextLength: 1000, vocabSize: 500 };
    const text = comparedText(tokens, sizes);
    assert.deepEqual([text.tokens.length, text.first], [1000, 750]);
    assert.equal(comparedText(tokens, { ...sizes, contextLength: 4000 }).first, 2000 - 256);
    const large = comparedText(tokens, { contextLength: 4000, vocabSize: 320_000 });
    assert.equal(large.first, 2000 - 100, "logits of at most 128 MB");
    assert.throws(() => comparedText([1, 2], sizes), UserError);
  });
});
