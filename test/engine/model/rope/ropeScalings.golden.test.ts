// RoPE scalings beside Hugging Face's transformers: ropeScalings.golden.py made the figures, in 32 bits.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ropeScalings } from "../../../../src/engine/model/rope/index.ts";
import { assertClose } from "../../../support/close.ts";

interface GoldenCase {
  readonly scaling: "linear" | "dynamic" | "yarn" | "llama3" | "longrope";
  readonly trained: number;
  readonly context: number;
  readonly theta: number;
  readonly factor: number;
  readonly beta_fast?: number;
  readonly beta_slow?: number;
  readonly short_factor?: readonly number[];
  readonly long_factor?: readonly number[];
  readonly invFreq: readonly number[];
  readonly attentionFactor: number;
}

const { dimension, cases }: { dimension: number; cases: readonly GoldenCase[] } = JSON.parse(
  readFileSync(new URL("ropeScalings.golden.json", import.meta.url), "utf8"),
);

describe("RoPE scalings, beside transformers", () => {
  it("cover every kind", () => {
    const kinds = new Set(cases.map(({ scaling }) => scaling));
    assert.deepEqual([...kinds].sort(), ["dynamic", "linear", "llama3", "longrope", "yarn"]);
  });

  for (const golden of cases) {
    const { scaling, trained, context, theta, factor } = golden;
    it(`${scaling}: ${trained} to ${context} tokens, theta ${theta}, factor ${factor}`, () => {
      const id = scaling === "dynamic" ? "dynamic-ntk" : scaling;
      const { short_factor: short, long_factor: long, beta_fast, beta_slow } = golden;
      const { invFreq, attentionFactor } = ropeScalings[id].frequencies(
        {
          ...{ dimension, theta, originalContextLength: trained, pairing: "half" },
          scaling: {
            type: "none",
            factor: 1,
            ...(beta_fast && { betaFast: beta_fast }),
            ...(beta_slow && { betaSlow: beta_slow }),
            ...(short && { shortFactors: Float32Array.from(short) }),
            ...(long && { longFactors: Float32Array.from(long) }),
          },
        },
        { contextLength: context, factor },
      );
      // Relative: frequencies span many powers of ten.
      assertClose(
        invFreq.map((value, pair) => value / (golden.invFreq[pair] ?? Number.NaN)),
        golden.invFreq.map(() => 1),
        2e-6,
      );
      assert.ok(Math.abs(attentionFactor - golden.attentionFactor) < 1e-6, `${attentionFactor}`);
    });
  }
});
