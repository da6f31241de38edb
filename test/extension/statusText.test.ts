// What the status bar says for every state of the engine.

import assert from "node:assert/strict";
import { statusText } from "../../src/extension/statusText.ts";
import type { EngineStatus } from "../../src/protocol.ts";

const t = (message: string, ...args: string[]) =>
  message.replace(/\{(\d)\}/g, (_, index: string) => args[Number(index)] ?? "");

const cases: [EngineStatus, string][] = [
  [{ state: "stopped" }, "$(book) Lectern"],
  [{ state: "starting" }, "$(loading~spin) Starting"],
  [{ state: "idle" }, "$(book) Lectern"],
  [{ state: "loading", model: "qwen3" }, "$(loading~spin) Loading model"],
  [{ state: "busy", activity: "Answering" }, "$(loading~spin) Answering"],
  [{ state: "busy", activity: "Reading", fraction: 0.419 }, "$(loading~spin) Reading 41%"],
  [{ state: "busy", activity: "Reading", fraction: 1.2 }, "$(loading~spin) Reading 100%"],
  [{ state: "failed", message: "No adapter." }, "$(error) Lectern"],
];

describe("status bar", () => {
  for (const [status, text] of cases) {
    it(`says "${text}" when the engine is ${JSON.stringify(status)}`, () => {
      assert.equal(statusText(status, true, t).text, text);
    });
  }

  it("names the model that is loading and the failure that happened", () => {
    assert.equal(
      statusText({ state: "loading", model: "qwen3" }, true, t).tooltip,
      "Loading qwen3.",
    );
    const failed = statusText({ state: "failed", message: "No adapter." }, true, t);
    assert.equal(failed.tooltip, "No adapter.");
    assert.equal(failed.severity, "error");
  });

  it("gives screen readers words instead of icon names", () => {
    for (const [status] of cases) assert.doesNotMatch(statusText(status, true, t).label, /\$\(/);
  });

  it("says that nothing runs in an untrusted workspace, whatever the engine does elsewhere", () => {
    const { text, tooltip } = statusText({ state: "idle" }, false, t);
    assert.match(text, /workspace-untrusted/);
    assert.match(tooltip, /untrusted/);
  });
});
