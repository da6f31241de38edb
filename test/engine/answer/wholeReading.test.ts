// How whole documents are kept where nothing was asked for: by their length beside the one the model was trained on.

import assert from "node:assert/strict";
import { join } from "node:path";
import { planWholeReading } from "../../../src/engine/answer/wholeReading.ts";
import { createDocument } from "../../../src/engine/documents/document.ts";
import type { ModelSettings } from "../../../src/protocol.ts";
import { PILOT_CONTEXT, pilotPath } from "../../support/pilot.ts";
import { writeRandomModel } from "../../support/randomModel.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";

describe("the plan for whole documents", () => {
  /** Of a text of about so many of the pilot's tokens. */
  function plan(tokens: number, settings: ModelSettings = {}, isSoftware = false) {
    const text = "The long road leads to the sea. ".repeat(Math.ceil(tokens / 8));
    return planText(text, settings, isSoftware);
  }

  async function planText(text: string, settings: ModelSettings, isSoftware = false) {
    const place = { path: "road.txt", label: "road.txt" };
    const document = createDocument(place, { id: "text", kind: "prose" }, { text, marks: [] });
    const reading = await planWholeReading(
      [document],
      { model: pilotPath, ...settings },
      async () => isSoftware,
    );
    const { cachePolicy, cacheBudget, cacheRecall, contextLength, positionScheme } =
      reading.settings;
    return {
      tokens: reading.prefix.length,
      settings: { cachePolicy, cacheBudget, cacheRecall, contextLength, positionScheme },
    };
  }

  const whole = {
    cachePolicy: undefined,
    cacheBudget: undefined,
    cacheRecall: undefined,
    positionScheme: undefined,
  };

  it("keeps a text that fits as it is", async () => {
    const { tokens, settings } = await plan(600);
    assert.ok(tokens < PILOT_CONTEXT);
    assert.deepEqual(settings, { ...whole, contextLength: undefined });
  });

  it("keeps one of up to eight times the trained length whole, with a context that positions are stretched to", async () => {
    for (const [share, contextLength] of [
      [1.3, 2 * PILOT_CONTEXT],
      [2.5, 4 * PILOT_CONTEXT],
      [4.5, 8 * PILOT_CONTEXT],
      [6, 9 * PILOT_CONTEXT],
    ] as const) {
      const { tokens, settings } = await plan(share * PILOT_CONTEXT);
      assert.ok(tokens > contextLength / 2 && tokens < contextLength, `${tokens} tokens`);
      assert.deepEqual(settings, { ...whole, contextLength });
    }
  });

  describe("for a model that was trained on more than a context has by default", () => {
    const folder = useTemporaryFolder();
    const model = () => join(folder(), "long.gguf");
    before(() =>
      writeRandomModel(model(), {
        ...{ architecture: "llama", format: "f32" },
        shape: { contextLength: 131_072 },
      }),
    );

    it("asks for a context that holds the text, question and answer", async () => {
      for (const characters of [20_000, 33_000, 45_000]) {
        const text = "abcdefghi ".repeat(characters / 10);
        const { tokens, settings } = await planText(text, { model: model() });
        const { contextLength = 32_768 } = settings;
        assert.ok(tokens + 80 <= contextLength, `${tokens} tokens, ${contextLength}`);
        assert.equal(settings.contextLength === undefined, tokens < 32_000, `${tokens} tokens`);
      }
    });
  });

  it("bounds one of more than four times the trained length without a GPU", async () => {
    assert.equal((await plan(2.5 * PILOT_CONTEXT, {}, true)).settings.cachePolicy, undefined);
    assert.equal((await plan(4.5 * PILOT_CONTEXT, {}, true)).settings.cachePolicy, "streaming-llm");
  });

  it("bounds a longer one, and what is not to be stretched or is bounded by the user", async () => {
    for (const [share, own] of [
      [11, {}],
      [1.5, { ropeScaling: "none" }],
      [1.5, { cacheRecall: 128 }],
      [1.5, { cacheBudget: 256 }],
      [1.5, { contextLength: PILOT_CONTEXT }],
    ] as const) {
      const { settings } = await plan(share * PILOT_CONTEXT, own);
      const { cachePolicy, cacheBudget = 0, cacheRecall = 0, positionScheme } = settings;
      assert.equal(cachePolicy, "streaming-llm", JSON.stringify(own));
      assert.equal(positionScheme, "in-cache");
      assert.ok(cacheBudget > 0 && cacheRecall > 0 && cacheBudget + cacheRecall < PILOT_CONTEXT);
    }
  });
});
