// The manifest against the code: settings reach the engine, commands have handlers, texts exist.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { settingChoices } from "../../src/engine/modelSettings.ts";
import { modelSettingTypes } from "../../src/extension/settingTypes.ts";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const texts: Record<string, string> = JSON.parse(readFileSync("package.nls.json", "utf8"));

describe("extension manifest", () => {
  it("has every setting that the engine takes sent along with a question", () => {
    assert.deepEqual(Object.keys(modelSettingTypes).sort(), Object.keys(settingChoices).sort());
  });

  it("declares settings with the types that are checked before they are sent", () => {
    for (const [name, type] of Object.entries(modelSettingTypes)) {
      const declared = manifest.contributes.configuration.properties[`lectern.${name}`].type;
      assert.equal([declared].flat()[0], type, name);
    }
  });

  it("names Lectern in every entry of a context menu, where no category is shown", () => {
    const { commands, menus } = manifest.contributes;
    const entries: { command: string }[] = [
      ...menus["explorer/context"],
      ...menus["editor/context"],
    ];
    for (const { command } of entries) {
      const { title } = commands.find((one: { command: string }) => one.command === command);
      assert.match(texts[title.replaceAll("%", "")] ?? "", /Lectern/, command);
    }
  });

  it("keeps paths out of an untrusted workspace's hands", () => {
    const { restrictedConfigurations, supported } = manifest.capabilities.untrustedWorkspaces;
    assert.equal(supported, "limited");
    for (const name of ["nodePath", "model", "adapter"]) {
      assert.ok(restrictedConfigurations.includes(`lectern.${name}`), name);
    }
    // Not even a trusted workspace chooses which program is run.
    assert.equal(
      manifest.contributes.configuration.properties["lectern.nodePath"].scope,
      "machine",
    );
  });

  it("gives every command of the manifest a handler", () => {
    const table = readFileSync("src/extension/commands.ts", "utf8");
    const commands: { command: string }[] = manifest.contributes.commands;
    for (const { command } of commands) assert.ok(table.includes(`"${command}"`), command);
  });

  it("has a text for every key, and no text without one", () => {
    const keys = [...JSON.stringify(manifest).matchAll(/%([\w.-]+)%/g)].map(([, key]) => key);
    assert.deepEqual(Object.keys(texts).sort(), [...new Set(keys)].sort());
  });
});
