// Which Node runs the engine, and in which environment.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineEnvironment } from "../../src/extension/engineEnvironment.ts";
import { findNode } from "../../src/extension/nodeExecutable.ts";
import { engineName, runtimeFolder } from "../../src/extension/runtimeFolder.ts";

const nodeName = process.platform === "win32" ? "node.exe" : "node";

describe("the engine's Node", () => {
  let extensionPath: string;

  beforeEach(() => {
    extensionPath = mkdtempSync(join(tmpdir(), "lectern-node-"));
  });

  afterEach(() => rmSync(extensionPath, { recursive: true, force: true }));

  it("is the setting's when there is one", async () => {
    const found = await findNode({ setting: process.execPath, extensionPath, env: {} });
    assert.equal(found, process.execPath);
  });

  it("is the bundled one, made executable if the unpacking forgot", async function () {
    if (process.platform === "win32") this.skip();
    const bundled = join(extensionPath, "bin", nodeName);
    mkdirSync(join(extensionPath, "bin"));
    writeFileSync(bundled, "");
    chmodSync(bundled, 0o644);
    assert.equal(await findNode({ setting: "", extensionPath, env: {} }), bundled);
    assert.equal(statSync(bundled).mode & 0o111, 0o111);
  });

  it("is the host's own where the host is plain Node", async () => {
    assert.equal(await findNode({ setting: "", extensionPath, env: {} }), process.execPath);
  });

  it("is missed with advice when only the bundled one is allowed and absent", async () => {
    const env = { LECTERN_NODE: "bundled", PATH: process.env.PATH };
    await assert.rejects(findNode({ setting: "", extensionPath, env }), /lectern\.nodePath/);
  });

  it("refuses a setting that does not run, naming it", async () => {
    const setting = join(extensionPath, "no-node");
    await assert.rejects(findNode({ setting, extensionPath, env: {} }), /no-node.*does not run/);
  });

  it("refuses a Node that is too old, saying which is needed", async function () {
    if (process.platform === "win32") this.skip();
    const old = join(extensionPath, "old-node");
    writeFileSync(old, "#!/bin/sh\necho v18.20.0\n", { mode: 0o755 });
    await assert.rejects(findNode({ setting: old, extensionPath, env: {} }), /18\.20\.0.*20\.19/);
  });

  it("runs without the switches of Electron, VS Code and Node", () => {
    const env = engineEnvironment({
      PATH: "/bin",
      HOME: "/home/me",
      ELECTRON_RUN_AS_NODE: "1",
      VSCODE_IPC_HOOK: "/x",
      NODE_OPTIONS: "--inspect",
      VK_ICD_FILENAMES: "/icd.json",
    });
    assert.deepEqual(env, { PATH: "/bin", HOME: "/home/me", VK_ICD_FILENAMES: "/icd.json" });
  });

  it("is shared by windows of the same installed version alone", () => {
    assert.equal(engineName("/ext/a", "0.1.0"), engineName("/ext/a", "0.1.0"));
    assert.notEqual(engineName("/ext/a", "0.1.0"), engineName("/ext/a", "0.2.0"));
    assert.match(engineName("/ext/a", "0.1.0"), /^engine-[0-9a-f]{8}$/);
  });

  it("meets its windows in a folder whose socket fits a Unix address", function () {
    if (process.platform === "win32") this.skip();
    const deep = join(extensionPath, "x".repeat(80));
    mkdirSync(deep);
    assert.ok(runtimeFolder({ XDG_RUNTIME_DIR: deep }).length < 60);
    assert.equal(runtimeFolder({ XDG_RUNTIME_DIR: "/tmp" }), "/tmp/lectern");
  });
});
