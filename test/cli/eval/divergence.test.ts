import assert from "node:assert/strict";
import { divergenceOf, fullSettings } from "../../../src/cli/eval/divergence.ts";

const logs = (...shares: number[]) => Float32Array.from(shares, Math.log);

describe("the divergence of predictions", () => {
  it("is nothing between equal ones", () => {
    const rows = [logs(0.5, 0.25, 0.25), logs(0.125, 0.125, 0.75)];
    assert.deepEqual(divergenceOf(rows, rows), { kl: 0, agreement: 1 });
  });

  it("is the mean of Kullback and Leibler's, and counts rows with another likeliest token", () => {
    const full = [logs(0.75, 0.25), logs(0.5, 0.5)];
    const other = [logs(0.25, 0.75), logs(0.5, 0.5)];
    const { kl, agreement } = divergenceOf(full, other);
    assert.ok(Math.abs(kl - (0.5 * Math.log(3)) / 2) < 1e-6, `${kl}`);
    assert.equal(agreement, 0.5);
  });

  it("is measured against a cache without anything that compresses", () => {
    const kept = { cacheDir: "caches", ropeScaling: "ntk" };
    const settings = { ...kept, cachePolicy: "h2o", cacheBudget: 9, cacheTypeV: "q4_0" };
    const others = { positionScheme: "in-cache", prefillSparsity: "window", cacheRecall: 64 };
    const found = fullSettings({ ...settings, ...others }, 100);
    assert.deepEqual(found, { ...kept, contextLength: 100 });
  });
});
