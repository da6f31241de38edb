// The registry of cache types: what each stores, and when one is refused.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CacheTypeId,
  cacheTypeChoices,
  cacheTypeOf,
  cacheTypes,
  cacheTypesOf,
  rowBytes,
} from "../../../src/engine/cache/types.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { throughCache } from "../../reference/cacheTypes.ts";
import { randomFloats } from "../../support/random.ts";
import { repositoryRoot } from "../../support/testData.ts";

describe("cache types", () => {
  // Registry keys are ids.
  for (const id of Object.keys(cacheTypes) as CacheTypeId[]) {
    const { part, blockSize, blockBytes } = cacheTypes[id];

    it(`${id} has a kernel part that stores the block it declares`, () => {
      const file = join(repositoryRoot, "kernels", part);
      assert.ok(existsSync(file));
      const vectors = /const cache_BLOCK = (\d+)u;/.exec(readFileSync(file, "utf8"))?.[1];
      assert.equal(Number(vectors) * 4, blockSize);
    });

    it(`${id} stores rows of whole words`, () => {
      assert.equal(blockBytes % 4, 0);
      assert.equal(rowBytes(id, 3 * blockSize), 3 * blockBytes);
    });

    it(`${id} is taken by name where its blocks divide the head dimension`, () => {
      assert.equal(cacheTypeOf(id, 4 * blockSize, "keys"), id);
    });

    it(`${id} is refused by name where they do not`, () => {
      assert.throws(
        () => cacheTypeOf(id, blockSize + 2, "keys"),
        (error) => error instanceof UserError && error.message.includes(id),
      );
    });
  }

  it("hold f16 unless a setting names another", () => {
    assert.equal(cacheTypeOf(undefined, 8, "keys"), "f16");
  });

  it("name each other when an unknown one is asked for", () => {
    assert.throws(
      () => cacheTypeOf("q9", 64, "values"),
      /"q9": choose auto, f32, f16, q8_0, q4_0 or flexgen4/,
    );
  });

  it("are refused for values where they hold keys alone", () => {
    assert.ok(cacheTypeChoices("keys").includes("kivi4"));
    assert.throws(() => cacheTypeOf("kivi4", 64, "values"), /kivi4 does not hold values: choose/);
  });

  it("are q8_0 and q4_0 where they are chosen automatically and fit", () => {
    const auto = { cacheTypeK: "auto", cacheTypeV: "auto" };
    assert.deepEqual(cacheTypesOf(auto, 64), { typeK: "q8_0", typeV: "q4_0" });
  });

  it("are f16 where automatic ones do not fit, and say why", () => {
    const { typeK, typeV, typeFallback } = cacheTypesOf({ cacheTypeK: "auto" }, 80);
    assert.deepEqual([typeK, typeV], ["f16", "f16"]);
    assert.equal(
      typeFallback,
      "keys in f16 instead of q8_0: blocks do not divide the head dimension of 80",
    );
  });

  for (const valueType of ["q4_0", "flexgen4"] as const)
    it(`take at most 0.45 of f16's bytes with keys in q8_0 and values in ${valueType}`, () => {
      const mixed = rowBytes("q8_0", 64) + rowBytes(valueType, 64);
      assert.ok(mixed <= 0.45 * 2 * rowBytes("f16", 64), `${mixed} bytes`);
    });

  for (const [id, steps] of [
    ["q8_0", 127],
    ["q4_0", 8],
  ] as const)
    it(`in ${id} read a value back within one of ${steps} steps of the block's largest`, () => {
      const row = randomFloats(64, steps);
      const read = throughCache(id, row);
      for (const [i, value] of row.entries()) {
        const block = row.subarray(i - (i % 32), i - (i % 32) + 32);
        const largest = block.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        assert.ok(Math.abs((read[i] ?? Number.NaN) - value) <= largest / steps);
      }
    });
});
