// RoPE scalings: published formulas at known points, the reference's tables, and what every member of the registry owes.

import assert from "node:assert/strict";
import { UserError } from "../../../../src/engine/errors.ts";
import type { RopeConfig } from "../../../../src/engine/model/decoderConfig.ts";
import { ropeScalingOf, ropeScalings } from "../../../../src/engine/model/rope/index.ts";
import { ropeTable } from "../../../reference/rope.ts";
import { assertClose } from "../../../support/close.ts";

function config(theta: number, originalContextLength: number, dimension = 128): RopeConfig {
  const factors = Float32Array.from({ length: dimension / 2 }, (_, i) => 1 + i / 8);
  return {
    dimension,
    theta,
    pairing: "half",
    originalContextLength,
    scaling: { type: "none", factor: 1, longFactors: factors, shortFactors: factors },
  };
}

describe("RoPE scalings", () => {
  it("yarn keeps high frequencies, interpolates low ones and sharpens attention", () => {
    const rope = config(1e6, 32768);
    const { invFreq, attentionFactor } = ropeScalings.yarn.frequencies(rope, {
      contextLength: 131072,
      factor: 4,
    });
    const picked = [24, 30, 40, 63].map((pair) => (invFreq[pair] ?? 0) * 1e7);
    const expected = [5.375321e-3, 1.06436098e-3, 4.44569853e-5, 3.1023444e-7];
    assertClose(
      picked,
      expected.map((value) => value * 1e7),
      1e-6,
    );
    assert.ok(Math.abs(attentionFactor - 1.138629436) < 1e-8);
    assert.equal(ropeScalings.yarn.contextLength(rope, 32768, 4), 131072);
  });

  it("yarn takes the factor from the context length when nobody gives one", () => {
    const rope = config(1e4, 4096);
    const { invFreq, attentionFactor } = ropeScalings.yarn.frequencies(rope, {
      contextLength: 65536,
    });
    assert.ok(Math.abs((invFreq[33] ?? 0) - 4.60043547e-3) < 1e-10);
    assert.ok(Math.abs(attentionFactor - 1.27725887) < 1e-7);
  });

  it("dynamic NTK and NTK raise theta", () => {
    const rope = config(1e4, 4096);
    const thetaOf = (invFreq: Float64Array): number => (invFreq[32] ?? 0) ** -2;
    const dynamic = (factor: number): number =>
      thetaOf(
        ropeScalings["dynamic-ntk"].frequencies(rope, { contextLength: 8192, factor }).invFreq,
      );
    assertClose([dynamic(1), dynamic(2)], [20221.26169, 30527.73675], 1e-8);
    const ntk = ropeScalings.ntk.frequencies(rope, { contextLength: 32768, factor: 8 });
    assertClose([thetaOf(ntk.invFreq)], [82684.62264], 1e-8);
  });

  it("llama3 keeps short wavelengths, divides long ones and blends between", () => {
    const { invFreq } = ropeScalings.llama3.frequencies(config(5e5, 8192), {
      contextLength: 131072,
      factor: 8,
    });
    const plain = (pair: number): number => 5e5 ** (-pair / 64);
    assert.equal(invFreq[28], plain(28));
    assertClose(
      [(invFreq[29] ?? 0) * 1e3, (invFreq[34] ?? 0) * 1e4, (invFreq[35] ?? 0) / plain(35)],
      [2.16657, 1.785078, 1 / 8],
      1e-5,
    );
  });

  it("longrope's attention factor is Phi-3's", () => {
    const rope = config(1e4, 4096, 96);
    const { attentionFactor } = ropeScalings.longrope.frequencies(rope, { contextLength: 131072 });
    assert.ok(Math.abs(attentionFactor - 1.19023807) < 1e-7);
  });

  it("agree with the reference on what files ask for", () => {
    const base = config(1e4, 2048, 64);
    const freqFactors = Float32Array.from({ length: 32 }, (_, i) => 1 + i);
    for (const scaling of [
      { type: "none", factor: 1 },
      { type: "linear", factor: 4 },
      { type: "yarn", factor: 8, betaFast: 16, betaSlow: 2 },
      { type: "llama3", factor: 1, freqFactors },
      {
        type: "longrope",
        factor: 1,
        attentionFactor: 1.5,
        longFactors: freqFactors,
        shortFactors: freqFactors,
      },
    ] as const) {
      const rope: RopeConfig = { ...base, scaling };
      const actual = ropeScalingOf("auto", rope).frequencies(rope, { contextLength: 4096 });
      const expected = ropeTable(rope, 4096);
      assertClose(actual.invFreq, expected.invFreq, 1e-12);
      assert.ok(Math.abs(actual.attentionFactor - expected.attentionFactor) < 1e-12, scaling.type);
    }
  });

  it("are yarn for auto where the file has none and positions go beyond the trained ones", () => {
    const rope: RopeConfig = { ...config(1e4, 2048), scaling: { type: "none", factor: 1 } };
    for (const setting of [undefined, "auto"]) {
      assert.equal(ropeScalingOf(setting, rope, { positions: 2048 }), ropeScalings.none);
      assert.equal(ropeScalingOf(setting, rope, { positions: 2049 }), ropeScalings.yarn);
      assert.equal(ropeScalingOf(setting, rope, { factor: 2 }), ropeScalings.yarn);
    }
    assert.equal(ropeScalingOf("none", rope, { positions: 9999, factor: 2 }), ropeScalings.none);
    const own: RopeConfig = { ...rope, scaling: { type: "linear", factor: 4 } };
    assert.equal(ropeScalingOf("auto", own, { positions: 9999 }), ropeScalings.linear);
  });

  it("refuse an unknown name and a scaling whose divisors the file lacks", () => {
    const rope: RopeConfig = { ...config(1e4, 2048), scaling: { type: "none", factor: 1 } };
    assert.throws(() => ropeScalingOf("ntk-by-parts", rope), UserError);
    const request = { contextLength: 4096 };
    assert.throws(() => ropeScalings.longrope.frequencies(rope, request), UserError);
  });

  for (const [id, scaling] of Object.entries(ropeScalings)) {
    it(`${id} turns every pair slower than the one before, and never faster than plain RoPE`, () => {
      const rope = config(1e4, 2048, 64);
      const { invFreq, attentionFactor } = scaling.frequencies(rope, { contextLength: 8192 });
      assert.equal(invFreq.length, 32);
      assert.ok(attentionFactor >= 1);
      for (let pair = 0; pair < 32; pair++) {
        assert.ok((invFreq[pair] ?? 0) <= 1e4 ** (-pair / 32) * (1 + 1e-12));
        if (pair > 0) assert.ok((invFreq[pair] ?? 1) < (invFreq[pair - 1] ?? 0));
      }
      assert.ok(scaling.contextLength(rope, 2048, undefined) === 2048);
      assert.notEqual(scaling.description, "");
    });
  }
});
