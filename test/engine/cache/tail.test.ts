// Whole models whose cache has a tail in f16: the same numbers however tokens are cut into passes, rolled back or saved; and
// every cache type on its way through the disk.

import assert from "node:assert/strict";
import { join } from "node:path";
import { SnapshotStore } from "../../../src/engine/cache/snapshotStore.ts";
import {
  planTail,
  STEPS_AHEAD,
  type TailShape,
  tailStart,
} from "../../../src/engine/cache/tail.ts";
import { cacheTypeChoices, rowBytes } from "../../../src/engine/cache/types.ts";
import { UserError } from "../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import { assertClose } from "../../support/close.ts";
import { randomPrompt } from "../../support/randomModel.ts";
import { useRandomModels } from "../../support/randomModels.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { factsOf } from "./support/savedCaches.ts";

const KIVI = { cacheTypeK: "kivi4", cacheTypeV: "q4_0" };
const RESIDUAL = { cacheTypeK: "q8_0", cacheTypeV: "q4_0", cacheResidual: 20 };

describe("the start of a tail", () => {
  it("moves on by whole groups, never closer than the residual, never into the sinks", () => {
    const starts = (tail: TailShape, lengths: number[]) =>
      lengths.map((length) => tailStart(tail, length));
    const kivi = { sinks: 0, residual: 0, ring: 64 };
    assert.deepEqual(starts(kivi, [1, 31, 32, 33, 64, 95]), [0, 0, 32, 32, 64, 64]);
    const residual = { sinks: 4, residual: 20, ring: 64 };
    assert.deepEqual(starts(residual, [1, 51, 52, 83, 84]), [4, 4, 32, 32, 64]);
  });
});

describe("the ring of a tail", () => {
  it("leaves q8_0/q4_0 and 64 tokens at no more than 0.45 of f16's bytes at 16,384 tokens", () => {
    const [typeK, typeV, headDim] = ["q8_0", "q4_0", 64] as const;
    const tail = planTail({ cacheResidual: 64 }, { typeK, typeV, plan: undefined });
    assert.ok(tail);
    const tokens = 16_384;
    const f16 = 2 * rowBytes("f16", headDim);
    const held = tokens * (rowBytes(typeK, headDim) + rowBytes(typeV, headDim));
    const ratio = (held + (tail.sinks + tail.ring) * f16) / (tokens * f16);
    assert.ok(ratio <= 0.45, `${ratio}`);
    // Steps that ran ahead overwrite nothing that the tokens before them still need.
    const length = 1000;
    assert.ok(tailStart(tail, length) >= length + STEPS_AHEAD - tail.ring);
  });
});

describe("models with a tail", function () {
  this.timeout(300_000);
  const folder = useTemporaryFolder();
  const { loadKept: load } = useRandomModels(folder, {
    architecture: "llama",
    format: "f32",
    shape: { headDim: 64 },
  });

  async function continued(model: LanguageModel, prompt: readonly number[], maxTokens: number) {
    const tokens: number[] = [];
    for await (const { token } of model.generate({ prompt, maxTokens, ignoreEnd: true }))
      if (token !== undefined) tokens.push(token);
    return tokens;
  }

  for (const [name, settings] of [
    ["keys in groups", KIVI],
    ["a residual", RESIDUAL],
  ] as const) {
    it(`predict the same in passes of any length: ${name}`, async () => {
      const tokens = randomPrompt(150);
      const one = await load({ ...settings, chunkLength: 16 });
      const other = await load({ ...settings, chunkLength: 128 });
      const nll = await one.model.scoreTokens(tokens);
      assertClose(await other.model.scoreTokens(tokens), nll, 1e-4);
      const plain = await load({
        ...settings,
        cacheTypeK: "f16",
        cacheTypeV: "f16",
        cacheResidual: 0,
      });
      assert.notDeepEqual([...(await plain.model.scoreTokens(tokens))], [...nll]);
      // One token at a time: what was drawn is what scoring says is likeliest.
      const drawn = await continued(one.model, tokens.slice(0, 60), 40);
      const fresh = await load({ ...settings, chunkLength: 128 });
      const again = await continued(
        fresh.model,
        [...tokens.slice(0, 60), ...drawn.slice(0, 25)],
        15,
      );
      assert.deepEqual(again, drawn.slice(25));
    });

    it(`go back as far as the tail reaches, else begin anew: ${name}`, async () => {
      const tokens = randomPrompt(400);
      const { model } = await load({ ...settings, chunkLength: 16 });
      for (const shared of [395, 300, 60]) {
        await continued(model, tokens, 3);
        const prompt = [...tokens.slice(0, shared), ...randomPrompt(20, shared)];
        const fresh = await load({ ...settings, chunkLength: 16 });
        assert.deepEqual(
          await continued(model, prompt, 12),
          await continued(fresh.model, prompt, 12),
        );
      }
    });
  }

  it("say what they hold", async () => {
    const { model, keeper } = await load({ ...RESIDUAL, chunkLength: 16 });
    await keeper.read(randomPrompt(50), {});
    const { residual, bytesByPurpose, bytes } = model.cacheStats();
    assert.equal(residual, 20);
    assert.ok((bytesByPurpose?.tail ?? 0) > 0);
    assert.equal(
      bytes,
      Object.values(bytesByPurpose ?? {}).reduce((a, b) => a + b, 0),
    );
  });

  for (const [settings, what] of [
    [{ ...KIVI, cachePolicy: "h2o", cacheBudget: 64 }, /kivi4 needs .* policy h2o moves them/],
    [{ ...RESIDUAL, cachePolicy: "streaming-llm" }, /residual of 20 needs .* streaming-llm/],
    [{ ...KIVI, prefillSparsity: "lambda" }, /prefill sparsity dense alone, not with lambda/],
    [{ cacheResidual: 8 }, /keys are f16, values f16: choose a quantised type/],
    [{ cacheTypeV: "kivi4" }, /kivi4 does not hold values/],
    [{ ...RESIDUAL, cacheResidual: 1.5 }, /residual cannot be 1.5/],
  ] as const)
    it(`refuse ${JSON.stringify(settings)}`, async () => {
      await assert.rejects(
        load(settings),
        (error) => error instanceof UserError && what.test(error.message),
      );
    });

  for (const type of cacheTypeChoices("keys"))
    it(`are saved and restored with ${type}`, async () => {
      const holdsValues = cacheTypeChoices("values").includes(type);
      const settings = {
        cacheTypeK: type,
        cacheTypeV: holdsValues ? type : "q4_0",
        chunkLength: 32,
      };
      const prefix = randomPrompt(75);
      const prompt = [...prefix, ...randomPrompt(9, 3)];
      const one = await load(settings);
      await one.keeper.read(prefix, {});
      const store = new SnapshotStore(join(folder(), type));
      const { identity, device } = one.keeper;
      const captured = one.keeper.capture();
      await store.save({ facts: { ...factsOf(identity), device }, ...captured });
      const other = await load(settings);
      const key = { identity, tokens: prefix };
      const stats = await store.withLongest(key, (found) => other.keeper.restore(found));
      assert.equal(stats?.cache.tokensRead, 75);
      assert.deepEqual(
        await continued(other.model, prompt, 10),
        await continued(one.model, prompt, 10),
      );
    });
});
