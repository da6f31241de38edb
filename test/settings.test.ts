// package.json is static, so the settings it declares are compared with what the engine can do.

import assert from "node:assert/strict";
import { modelOptions } from "../src/cli/options.ts";
import { settingChoices } from "../src/engine/modelSettings.ts";
import { type Manifest, readJson, withCurrentChoices } from "./support/manifestChoices.ts";

/** Settings that do not depend on the model: found by whoever searches for the extension's name. */
const EVERYDAY = [
  ...["model", "contextLength", "cachePolicy", "cacheBudget", "cacheRecall", "cacheDir"],
  ...["adapter", "nodePath"],
];

const manifest = readJson<Manifest>("package.json");
const texts = readJson<Readonly<Record<string, string>>>("package.nls.json");
const settings = manifest.contributes.configuration.properties;

describe("settings in VS Code", () => {
  for (const [name, choices] of Object.entries(settingChoices)) {
    const setting = settings[`lectern.${name}`];
    if (choices === undefined) {
      it(`lack ${name}, which does not exist yet`, () => assert.equal(setting, undefined));
      continue;
    }
    it(`have ${name} with the engine's ids`, () => {
      assert.ok(setting);
      assert.deepEqual(setting.enum, choices === "any" ? undefined : [null, ...choices]);
    });
  }

  it("are described by whole sentences", () => {
    for (const [name, { markdownDescription }] of Object.entries(settings)) {
      const text = texts[markdownDescription.replaceAll("%", "")] ?? "";
      assert.match(text, /^[A-Z].+\.$/, name);
    }
  });

  it("name the empty choice and describe each, as the registries do", () => {
    const current = withCurrentChoices(manifest, texts);
    const stale = "run `npx tsx test/support/manifestChoices.ts`";
    assert.deepEqual(manifest, current.manifest, stale);
    assert.deepEqual(texts, current.texts, stale);
    for (const [key, text] of Object.entries(texts)) {
      if (/^setting\.\w+\./.test(key)) assert.match(text, /^[^a-z].*\.$/, key);
    }
  });

  it("are all advanced but the everyday ones", () => {
    const found = Object.entries(settings).filter(([, { tags }]) => !tags?.includes("advanced"));
    assert.deepEqual(found.map(([id]) => id.replace("lectern.", "")).sort(), [...EVERYDAY].sort());
  });

  it("bear the names of the command line's options", () => {
    const camelCase = (name: string) => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
    const missing = Object.keys(modelOptions).filter(
      (name) => !settings[`lectern.${camelCase(name)}`],
    );
    assert.deepEqual(missing, []);
  });
});
