// What users write into their settings, before it reaches the engine.

import assert from "node:assert/strict";
import { CannotAskError } from "../../src/extension/conversation.ts";
import { checkedSettings } from "../../src/extension/settingTypes.ts";

const checked = (values: Readonly<Record<string, unknown>>) =>
  checkedSettings((name) => values[name]);

describe("values of settings", () => {
  it("are sent as they are, those that are empty left out", () => {
    const values = { model: "", contextLength: null, cacheBudget: 256, cachePolicy: "h2o" };
    assert.deepEqual(checked(values), { cacheBudget: 256, cachePolicy: "h2o" });
    assert.deepEqual(checked({ ropeFactor: 1.5 }), { ropeFactor: 1.5 });
  });

  for (const [name, value, problem] of [
    ["contextLength", "abc", 'is "abc", which is no whole number'],
    ["contextLength", 10.5, "is 10.5, which is no whole number"],
    ["ropeFactor", [2], "is [2], which is no number"],
    ["cacheDir", 5, "is 5, which is no text"],
  ] as const) {
    it(`are refused by name when their type is wrong: ${name}, ${JSON.stringify(value)}`, () => {
      const message = `The setting lectern.${name} ${problem}: correct or remove it.`;
      const isIt = (error: unknown) =>
        error instanceof CannotAskError &&
        error.message === message &&
        error.action === "openSettings";
      assert.throws(() => checked({ [name]: value }), isIt);
    });
  }
});
