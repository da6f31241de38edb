// Where the keyboard's focus is in the chat's page while questions come and go, in the real browser it is made for.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import type { ChatSurroundings, ChatTurn, FromWebview, ToWebview } from "../../src/protocol.ts";
import { skip } from "../support/skip.ts";

const executablePath = process.env.LECTERN_CHROMIUM ?? "/usr/bin/chromium";
const surroundings: ChatSurroundings = {
  ...{ scope: { kind: "file", label: "a.md" }, hasScope: true, isTrusted: true, model: "Mini" },
  ...{ engine: { state: "idle" }, suggestions: ["What is it?"] },
};
const turn: ChatTurn = {
  ...{ id: "1", kind: "ask", question: "What is it?", scope: "a.md", state: "running" },
  ...{ answer: "", citations: [], notes: [] },
};
/** What stands in for VS Code: it keeps what the page sends. */
const HOST = `
  globalThis.sent = [];
  globalThis.acquireVsCodeApi = () => ({
    postMessage: (message) => sent.push(message),
    getState: () => undefined,
    setState: () => {},
  });`;

describe("focus in the chat", () => {
  let browser: Browser | undefined;
  let page: Page;
  let script: string;

  before(async function () {
    if (!existsSync(executablePath)) skip(this, `no Chromium at ${executablePath}`);
    const { outputFiles } = await build({
      entryPoints: ["src/webview/main.ts"],
      bundle: true,
      write: false,
      format: "iife",
      loader: { ".css": "empty" },
    });
    script = outputFiles[0]?.text ?? "";
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });

  after(() => browser?.close());

  beforeEach(async () => {
    await page?.close();
    assert.ok(browser);
    page = await browser.newPage();
    await page.setContent("<lectern-chat></lectern-chat>");
    await page.addScriptTag({ content: HOST });
    await page.addScriptTag({ content: script });
    await tell({ type: "state", turns: [], surroundings, strings: {} });
    await page.locator("textarea").waitFor();
  });

  /** As the extension host tells the page. */
  async function tell(message: ToWebview): Promise<void> {
    await page.evaluate(`window.postMessage(${JSON.stringify(message)})`);
    await page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))");
  }

  const focused = () => page.evaluate("document.activeElement.localName");
  const sent = (): Promise<FromWebview[]> => page.evaluate("sent");
  const button = (name: string) => page.getByRole("button", { name, exact: true });

  it("is in the input after a question was sent and stopped by the button", async () => {
    await page.locator("textarea").fill("What is it?");
    await button("Ask").focus();
    await page.keyboard.press("Enter");
    await tell({ type: "turn", turn });
    assert.equal(await focused(), "textarea");
    await button("Stop").focus();
    await page.keyboard.press("Space");
    await tell({ type: "turn", turn: { ...turn, state: "stopped" } });
    assert.equal(await focused(), "textarea");
    const types = (await sent()).map(({ type }) => type);
    assert.deepEqual(types, ["ready", "ask", "stop"]);
  });

  it("stays on the button while an answer ends by itself", async () => {
    await tell({ type: "turn", turn });
    await button("Stop").focus();
    await tell({ type: "turn", turn: { ...turn, state: "done", answer: "A mill." } });
    assert.equal(await focused(), "button");
    assert.equal(await button("Ask").isDisabled(), true);
    await page.keyboard.press("Enter");
    assert.deepEqual(await sent(), [{ type: "ready" }]);
  });

  it("moves to the input from a suggestion, which vanishes", async () => {
    await button("What is it?").focus();
    await page.keyboard.press("Enter");
    await tell({ type: "turn", turn });
    assert.equal(await focused(), "textarea");
  });

  it("moves to the input from a turn that is asked again", async () => {
    await tell({ type: "turn", turn: { ...turn, state: "done", answer: "A mill." } });
    await button("Ask again").focus();
    await page.keyboard.press("Enter");
    assert.deepEqual((await sent()).at(-1), { type: "retry", turnId: "1" });
    await tell({ type: "state", turns: [], surroundings, strings: {} });
    await tell({ type: "turn", turn: { ...turn, id: "2" } });
    assert.equal(await focused(), "textarea");
  });

  it("stays where it is while an answer streams and ends elsewhere", async () => {
    const first = { ...turn, state: "done", answer: "A mill." } as const;
    await tell({ type: "turn", turn: first });
    await page.locator(".actions .stats").focus();
    await tell({ type: "turn", turn: { ...turn, id: "2" } });
    await tell({ type: "token", turnId: "2", text: "A mill." });
    await tell({ type: "turn", turn: { ...first, id: "2" } });
    assert.equal(await page.evaluate("document.activeElement.className"), "stats");
  });
});
