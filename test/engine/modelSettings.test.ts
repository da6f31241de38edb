import assert from "node:assert/strict";
import { UserError } from "../../src/engine/errors.ts";
import { modelSettings } from "../../src/engine/modelSettings.ts";
import type { AskParams } from "../../src/protocol.ts";

describe("model settings", () => {
  it("are picked out of an operation's parameters", () => {
    const params: AskParams = { paths: ["a"], question: "why?", contextLength: 512, model: "" };
    assert.deepEqual(modelSettings(params), { contextLength: 512 });
  });

  it("are refused by name where a feature does not exist, with what does", () => {
    const refused = (settings: object, message: RegExp) =>
      assert.throws(
        () => modelSettings(settings),
        (error) => error instanceof UserError && message.test(error.message),
      );
    refused({ cacheTypeK: "q9" }, /cacheTypeK cannot be "q9": choose .*f16/);
  });
});
