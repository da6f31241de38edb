// package.json is static, so the settings it declares are compared with what the engine can do.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelOptions } from "../src/cli/options.ts";
import { settingChoices } from "../src/engine/modelSettings.ts";
import { repositoryRoot } from "./support/testData.ts";

interface Setting {
  readonly enum?: readonly (string | null)[];
  readonly markdownDescription?: string;
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(join(repositoryRoot, name), "utf8"));
}

// The manifest's shape is VS Code's, checked when it is packaged.
const manifest = readJson("package.json") as {
  readonly contributes: {
    readonly configuration: { readonly properties: Readonly<Record<string, Setting>> };
  };
};
const texts = readJson("package.nls.json") as Readonly<Record<string, string>>;
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
    for (const [name, { markdownDescription = "" }] of Object.entries(settings)) {
      const text = texts[markdownDescription.replaceAll("%", "")] ?? "";
      assert.match(text, /^[A-Z].+\.$/, name);
    }
  });

  it("bear the names of the command line's options", () => {
    const camelCase = (name: string) => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
    const missing = Object.keys(modelOptions).filter(
      (name) => !settings[`lectern.${camelCase(name)}`],
    );
    assert.deepEqual(missing, []);
  });
});
