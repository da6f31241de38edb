// The installed .vsix in a real VS Code, used as a user does. No PATH and no other Node is allowed, so what runs came
// out of the package.

import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Frame } from "playwright-core";
import { pointerPath } from "../../src/engine/answer/pointer/pointerWeights.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import { isAlive } from "../../src/extension/runningProcess.ts";
import type { EngineRecord } from "../../src/protocol.ts";
import { pdfOf } from "../support/pdf.ts";
import { pilotPath } from "../support/pilot.ts";
import { skip } from "../support/skip.ts";
import { writeTalkativeModel } from "./support/talkativeModel.ts";
import { type Settings, VsCode, type Window } from "./support/vscodeDriver.ts";

const CHROMIUM = process.env.LECTERN_CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = "out/screenshots";
/** What the window showed when a test failed. */
const FAILURE = join(SCREENSHOTS, "failure.png");

/** Short: a small model reads a sentence or two well. */
const FILES = {
  "README.md": "Notes about the town of Aldmoor.\n",
  "records/parliament.md": "# Parliament\n\nThe parliament was established in 1999.\n",
  "records/lighthouse.md": "The lighthouse was designed by Edith Marlow.\n",
  "src/server.ts": "export const DEFAULT_PORT = 4173;\n",
};

/** Longer than what the cache may hold of it. */
const CHRONICLE = Array.from(
  { length: 50 },
  (_, i) => `In the year ${1700 + i} the harvest of Aldmoor was ${i % 3 ? "good" : "poor"}.\n`,
).join("\n");
/** Two sections long enough to be told apart, with footnotes and Markdown of their own. */
const GUIDE = ["Mill", "Harbour"]
  .map((place) => {
    const fact = (what: string) =>
      `Of the *old* ${place} of Aldmoor the chronicle says that ${what} were carried through its gate from dawn to dusk, day by day.[1]\n`;
    return `# ${place}\n\n${fact("barley and oats")}\n${fact("wool and salt")}`;
  })
  .join("\n");
const boundedCache = {
  "lectern.cachePolicy": "h2o",
  "lectern.cacheBudget": 256,
  "lectern.chunkLength": 64,
  "lectern.positionScheme": "in-cache",
};

describe("Lectern in VS Code", function () {
  this.timeout(120_000);
  let code: VsCode;
  let window: Window;
  let home: string | undefined;
  let workspace: string;
  let talkativeModel: string;

  before(async function () {
    if (!existsSync(CHROMIUM)) skip(this, `no Chromium at ${CHROMIUM}`);
    home = realpathSync(mkdtempSync(join(tmpdir(), "lectern-")));
    workspace = join(home, "aldmoor");
    writeFiles(workspace, FILES);
    mkdirSync(SCREENSHOTS, { recursive: true });
    talkativeModel = join(home, "talkative.gguf");
    await writeTalkativeModel(talkativeModel);
    const { vscodeServer }: { vscodeServer(): { node: string; entry: string } } = await script(
      "../../scripts/vscodeServer.mjs",
    );
    const { packageExtension }: { packageExtension(): Promise<string> } = await script(
      "../../scripts/package.mjs",
    );
    code = await VsCode.start({
      ...vscodeServer(),
      vsix: await packageExtension(),
      chromium: CHROMIUM,
    });
  });

  after(async () => {
    await code?.stop();
    if (home) rmSync(home, { recursive: true, force: true });
  });

  afterEach(async function () {
    if (this.currentTest?.isFailed()) await window?.page.screenshot({ path: FAILURE });
  });

  it("runs nothing in an untrusted workspace and takes no path from it", async () => {
    const untrusted = realpathSync(mkdtempSync(join(tmpdir(), "lectern-untrusted-")));
    const evil = join(untrusted, "evil");
    writeFileSync(evil, `#!/bin/sh\ntouch ${join(untrusted, "ran")}\n`, { mode: 0o755 });
    writeFiles(untrusted, {
      ".vscode/settings.json": JSON.stringify({ "lectern.nodePath": evil, "lectern.model": evil }),
    });
    code.configure({
      "security.workspace.trust.enabled": true,
      "security.workspace.trust.startupPrompt": "never",
      "security.workspace.trust.banner": "never",
    });
    const stranger = await code.open(untrusted);
    await stranger.command("Lectern: Ask About Workspace");
    const chat = await stranger.chat();
    await chat.getByText("This workspace is not trusted").waitFor();
    assert.equal(await chat.getByRole("textbox", { name: "Question" }).isDisabled(), true);
    assert.equal(await chat.locator(".pick-label").last().innerText(), "Lectern Mini");
    await stranger.command("Lectern: Show Cache Stats");
    const manage = stranger.page.locator(".notification-toast").getByText("Manage Trust");
    await manage.waitFor();
    assert.equal(findRecord(), undefined, "an engine was started");
    assert.equal(existsSync(join(untrusted, "ran")), false);
    // That was no failure of the engine, which shows once the workspace is trusted.
    await manage.click();
    await stranger.page.getByRole("button", { name: "Trust", exact: true }).click();
    const name = "The engine starts with the first question";
    await stranger.page.getByRole("button", { name }).waitFor();
    await stranger.close();
    rmSync(untrusted, { recursive: true, force: true });
  });

  it("answers about the workspace with a verified citation", async () => {
    await open({ "workbench.colorTheme": "Default Dark Modern" });
    await window.command("Lectern: Ask About Workspace");
    const turn = await window.ask("When was the parliament established?");
    await turn.locator(".progress").waitFor();
    assert.equal(await window.ended(turn), "done");
    assert.match(await turn.locator(".markdown").innerText(), /1999/);
    const source = turn.locator(".source.verified").first();
    assert.match(await source.innerText(), /parliament\.md/);
    assert.equal(await source.getAttribute("title"), "These words stand in the cited lines.");
    assert.match(await turn.locator(".receipt summary").innerText(), /Searched .* tokens/);
  });

  it("runs the engine on the package's own Node, in a clean environment", function () {
    if (process.platform !== "linux") skip(this, "needs /proc");
    const { pid } = record();
    const executable = readlinkSync(`/proc/${pid}/exe`);
    assert.ok(executable.startsWith(realpathSync(code.extensions)), executable);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    assert.deepEqual(
      environment.filter((entry) => /^(ELECTRON_|VSCODE_|NODE_OPTIONS=)/.test(entry)),
      [],
    );
  });

  it("opens a citation at its line", async () => {
    await openFirstCitation();
    await window.page.getByText(/^Ln 3, Col/).waitFor();
  });

  it("finds a quote that has moved, and says when it is gone", async () => {
    const records = join(workspace, "records/parliament.md");
    const before = readFileSync(records, "utf8");
    await window.command("View: Close All Editors");
    writeFileSync(records, `Preface.\n\n${before}`);
    await openFirstCitation();
    await window.page.getByText(/^Ln 5, Col .*selected/).waitFor();
    writeFileSync(records, before.replace("1999", "1872"));
    const source = (await window.chat()).locator(".source").first();
    await source.click();
    const notice = "records/parliament.md has changed: the quoted words no longer stand in it.";
    await window.page.getByText(notice, { exact: true }).waitFor();
    await (await window.chat()).locator(".source.unverified").first().waitFor();
    writeFileSync(records, before);
    await window.command("View: Close All Editors");
    const again = await window.ask("When was the parliament established?");
    assert.equal(await window.ended(again), "done");
  });

  it("opens the text of a PDF at a citation", async () => {
    const charter = join(workspace, "charter.pdf");
    const body = ["The charter of Aldmoor was signed by Rowena Hale."];
    writeFileSync(charter, pdfOf({ pages: [["Charter"], body] }));
    const turn = await window.ask("Who signed the charter?");
    assert.equal(await window.ended(turn), "done");
    assert.match(await turn.locator(".markdown").innerText(), /Rowena Hale/);
    const source = turn.locator(".source.verified").first();
    assert.match(await source.innerText(), /charter\.pdf[\s\S]*page 2/i);
    await source.click();
    await window.page.locator('.tab.active[data-resource-name="charter.pdf.txt"]').waitFor();
    await window.page.getByText(/^Ln 3, Col/).waitFor();
    await screenshot("pdf");
    rmSync(charter);
  });

  it("is usable with a keyboard and a screen reader, in dark and in light", async () => {
    for (const theme of ["Dark", "Light"]) {
      await open({ "workbench.colorTheme": `Default ${theme} Modern` });
      await window.command("Lectern: Ask About Workspace");
      await openFirstCitation();
      const chat = await window.chat();
      await chat.locator(`body.vscode-${theme.toLowerCase()}`).waitFor();
      const found = await violations(chat, "var(--vscode-sideBar-background)");
      await screenshot(`answer-${theme.toLowerCase()}`);
      assert.deepEqual(found, [], theme);
    }
    const chat = await window.chat();
    const numTurns = await chat.locator(".turn").count();
    await chat.getByRole("textbox", { name: "Question" }).fill("Who designed the lighthouse?");
    await chat.getByRole("button", { name: "Ask", exact: true }).press("Enter");
    const turn = chat.locator(".turn").nth(numTurns);
    assert.equal(await window.ended(turn), "done");
    assert.equal(await chat.evaluate("document.activeElement.localName"), "textarea");
  });

  it("reads what an editor holds, saved or not", async () => {
    await openFirstCitation();
    await window.page.locator(".editor-group-container.active .view-lines").first().click();
    await window.page.keyboard.press("ControlOrMeta+A");
    await window.page.keyboard.type("The parliament was established in 1872.");
    const turn = await window.ask("When was the parliament established?");
    assert.equal(await window.ended(turn), "done");
    assert.match(await turn.locator(".markdown").innerText(), /1872/);
    assert.match(readFileSync(join(workspace, "records/parliament.md"), "utf8"), /1999/);
  });

  it("summarises the active file", async () => {
    const chat = await window.chat();
    const numTurns = await chat.locator(".turn").count();
    await window.command("Lectern: Summarize File");
    const turn = chat.locator(".turn").nth(numTurns);
    assert.equal(await window.ended(turn), "done");
    assert.ok((await turn.locator(".markdown").innerText()).length > 20);
  });

  it("shows a document's words as they stand: only Lectern's own numbers lead somewhere", async () => {
    writeFiles(workspace, { "guide.md": GUIDE });
    await window.openFile("guide.md");
    await window.command("Lectern: Ask About Active File");
    const chat = await window.chat();
    await chat.locator(".pick-label", { hasText: "guide.md" }).waitFor();
    const numTurns = await chat.locator(".turn").count();
    await window.command("Lectern: Summarize File");
    const turn = chat.locator(".turn").nth(numTurns);
    assert.equal(await window.ended(turn), "done");
    await screenshot("summary");
    const summary = turn.locator(".markdown");
    assert.match(await summary.innerText(), /the \*old\* Mill .* by day\.\[1\]/);
    assert.deepEqual(await summary.locator("h4").allInnerTexts(), ["Mill 1", "Harbour 2"]);
    assert.equal(await summary.locator(".chip").count(), 2);
    rmSync(join(workspace, "guide.md"));
  });

  it("names a setting whose value is of a wrong type, and leads to it", async () => {
    await open({ "lectern.contextLength": "abc" });
    await window.command("Lectern: Ask About Workspace");
    const turn = await window.ask("Who designed the lighthouse?");
    assert.equal(await window.ended(turn), "failed");
    const problem = 'The setting lectern.contextLength is "abc", which is no whole number';
    assert.ok((await turn.innerText()).includes(problem));
    await turn.getByRole("button", { name: "Open Settings" }).click();
    await window.page.locator(".settings-editor").waitFor();
    await window.page.locator('[aria-label*="lectern.contextLength"]').first().waitFor();
    await screenshot("settings");
    await open({});
  });

  it("shows the cache stats", async () => {
    await window.command("Lectern: Show Cache Stats");
    const stats = await window.frame("h1 ~ section");
    const text = await stats.locator("body").innerText();
    for (const part of ["Tokens read", "Prefill", "GPU memory by purpose", "Adapter"]) {
      assert.ok(text.includes(part), `${part} is missing in:\n${text}`);
    }
    assert.match(text, /weights\s+[\d.]+ MB/i);
    await screenshot("cache-stats-light");
  });

  for (const theme of ["Light", "Dark"])
    it(`reads a file into a saved cache, and draws what of it is kept, in ${theme.toLowerCase()}`, async () => {
      writeFiles(workspace, { "chronicle.md": CHRONICLE });
      const cacheDir = { "lectern.cacheDir": join(home ?? "", "caches") };
      const colours = { "workbench.colorTheme": `Default ${theme} Modern` };
      await open({ ...boundedCache, ...cacheDir, ...colours });
      // The extension hears of editors from when it was activated.
      await window.command("Lectern: Ask About Workspace");
      await window.chat();
      await window.openFile("chronicle.md");
      // It hears of one a moment after its tab is drawn: its own label tells.
      await window.command("Lectern: Ask About Active File");
      const chat = await window.chat();
      await chat.locator(".pick-label", { hasText: "chronicle.md" }).waitFor();
      await window.command("Lectern: Read into Cache");
      const stats = await window.frame("svg.map");
      await stats.locator(`body.vscode-${theme.toLowerCase()}`).waitFor();
      const text = await stats.locator("body").innerText();
      assert.match(text, /256 of [\d,]+ tokens are in memory \(\d+ %\), policy h2o/);
      assert.match(text, /chronicle\.md\s+lines 1–\d+: \d+ of [\d,]+ tokens/);
      assert.match(text, /Saved caches\s+chronicle\.md/);
      assert.equal(await stats.locator("svg.map").count(), 3);
      const parts = await stats
        .locator("svg.map")
        .first()
        .locator(".kept")
        .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute("fill-opacity"))));
      assert.ok(parts.includes(1) && parts.includes(0), "some parts are kept, some are not");
      await screenshot(`cache-map-${theme.toLowerCase()}`);
      assert.deepEqual(await violationsOfStats(stats), [], theme);
    }).timeout(300_000);

  it("compares the cache with the full one when asked from the page", async () => {
    const stats = await window.frame("svg.map");
    await stats.getByRole("link", { name: "Compare with the full cache" }).click();
    const fidelity = await window.frame("section:has-text('Same likeliest token')");
    assert.match(await fidelity.locator("body").innerText(), /\d+ % of the last \d+ tokens/);
    assert.match(await fidelity.locator("body").innerText(), /nat on average/);
    await screenshot("cache-fidelity-dark");
  }).timeout(300_000);

  it("keeps the chat when the window is reloaded", async () => {
    await open({ "workbench.colorTheme": "Default Dark Modern" });
    await window.command("Lectern: Ask About Workspace");
    const chat = await window.chat();
    await chat.locator(".turn").nth(2).waitFor();
    assert.match(await chat.locator(".turn").first().innerText(), /When was the parliament/);
  });

  it("streams, and stops when asked to", async () => {
    await open({ "lectern.model": talkativeModel, "workbench.colorTheme": "Default Dark Modern" });
    await window.command("Lectern: Ask About Workspace");
    const turn = await window.ask("Tell me about the lighthouse.");
    const text = turn.locator(".markdown");
    await text.waitFor();
    const before = (await text.innerText()).length;
    await growsBeyond(text, before);
    await screenshot("streaming-dark");
    await (await window.chat()).getByRole("button", { name: "Stop" }).click();
    assert.equal(await window.ended(turn), "stopped");
    assert.match(await turn.innerText(), /Stopped: the answer is partial/);
    const kept = (await text.innerText()).length;
    assert.ok(kept > before, `${kept} characters of at least ${before} were kept`);
  });

  it("stops an answer of an engine that hangs, and offers another engine", async function () {
    if (process.platform === "win32") skip(this, "needs SIGSTOP");
    const turn = await window.ask("Tell me about the lighthouse.");
    const text = turn.locator(".markdown");
    await text.waitFor();
    await growsBeyond(text, 10);
    const { pid } = record();
    process.kill(pid, "SIGSTOP");
    await (await window.chat()).getByRole("button", { name: "Stop" }).click();
    assert.equal(await window.ended(turn), "stopped");
    assert.ok((await text.innerText()).length > 10);
    const toast = window.page.locator(".notification-toast", { hasText: "does not answer" });
    await toast.waitFor();
    await screenshot("hang-dark");
    await toast.getByText("Restart Engine", { exact: true }).click();
    for (;;) {
      const now = findRecord()?.pid;
      if (now !== undefined && now !== pid) break;
      await window.page.waitForTimeout(50);
    }
    // Its parent may take a moment to hear of its end.
    while (isAlive(pid)) await window.page.waitForTimeout(50);
  });

  it("keeps a partial answer when the engine is killed, and answers the next question", async () => {
    const turn = await window.ask("Tell me about the lighthouse.");
    const text = turn.locator(".markdown");
    await text.waitFor();
    await growsBeyond(text, 10);
    const { pid } = record();
    process.kill(pid, "SIGKILL");
    assert.equal(await window.ended(turn), "failed");
    assert.match(await turn.innerText(), /Partial answer\. The engine ended in the middle/);
    assert.ok((await text.innerText()).length > 10);
    await screenshot("crash-dark");
    await open({});
    await window.command("Lectern: Ask About Workspace");
    const again = await window.ask("Who designed the lighthouse?");
    assert.equal(await window.ended(again), "done");
    assert.match(await again.locator(".markdown").innerText(), /Marlow/);
    assert.notEqual(record().pid, pid);
  });

  it("shares one engine between two windows", async () => {
    const { pid } = record();
    const second = await code.open(join(workspace, "records"));
    await second.command("Lectern: Ask About Workspace");
    const turn = await second.ask("Who designed the lighthouse?");
    assert.equal(await second.ended(turn), "done");
    assert.equal(record().pid, pid);
    for (;;) {
      await second.command("Lectern: Show Cache Stats");
      const stats = await second.frame("h1 ~ section");
      const text = await stats.locator("body").innerText();
      assert.match(text, new RegExp(`Process\\s+${pid}`));
      // A window that has just been closed may still hold on to the engine.
      if (/Windows attached\s+2/.test(text)) break;
      await second.page.waitForTimeout(500);
    }
    await second.close();
  });

  it("answers with the model it ships with where no other is chosen", async () => {
    const shipped = readdirSync(code.extensions, { recursive: true, encoding: "utf8" });
    const models = shipped.filter((file) => file.endsWith(".gguf"));
    const [path, own] = [embeddedModelPath(), models.map((file) => basename(file)).sort()];
    assert.deepEqual(own, [path, pointerPath(path)].map((file) => basename(file)).sort());
    await open({ "lectern.model": "" });
    await window.command("Lectern: New Chat");
    const turn = await window.ask("When was the parliament established?");
    assert.equal(await window.ended(turn), "done");
    assert.notEqual(await turn.locator(".markdown").innerText(), "");
    assert.match(await turn.locator(".source.verified").first().innerText(), /\.md/);
  });

  it("writes what it does to its log", async () => {
    await window.command("Lectern: Show Log");
    const lines = window.page.locator(".panel .view-lines").first();
    await lines.waitFor();
    // The editor shows spaces as ones that do not break.
    const text = (await lines.innerText()).replaceAll("\u00a0", " ");
    assert.match(text, /\[info\] Attached to the engine, process \d+/);
  });

  /** (Re)open the window with these settings, and the pilot unless they name another model. */
  async function open(settings: Settings): Promise<void> {
    code.configure({ "lectern.model": pilotPath, ...settings });
    window = await code.open(workspace, window?.page);
  }

  /** Click the first verified number of the chat; it leads into the parliament's file. */
  async function openFirstCitation(): Promise<void> {
    await (await window.chat()).locator(".chip.verified").first().click();
    await window.page.locator('.tab.active[data-resource-name="parliament.md"]').waitFor();
  }

  /** What axe finds wrong. The page is transparent over `background`, which axe cannot see through to. */
  async function violations(page: Frame, background: string): Promise<string[]> {
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
    await page.evaluate(axe);
    await page.evaluate(`document.body.style.background = '${background}'`);
    const found: { id: string; nodes: { html: string; failureSummary: string }[] }[] =
      await page.evaluate(
        "axe.run({ runOnly: ['wcag2a', 'wcag2aa'] }).then(({ violations }) => violations)",
      );
    return found.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
    );
  }

  /** axe waits for timers, which do not run on a page without scripts: it looks at a copy, with the same colours and styles. */
  async function violationsOfStats(stats: Frame): Promise<string[]> {
    const html = (await stats.content()).replace(/<meta http-equiv[^>]*>/g, "");
    const copy = await window.page.context().newPage();
    try {
      await copy.setContent(html, { waitUntil: "domcontentloaded" });
      await copy.addStyleTag({ path: "media/cacheStats.css" });
      return await violations(copy.mainFrame(), "var(--vscode-editor-background)");
    } finally {
      await copy.close();
    }
  }

  async function screenshot(name: string): Promise<void> {
    await window.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  }

  function findRecord(): EngineRecord | undefined {
    if (!existsSync(code.runtimeFolder)) return undefined;
    const file = readdirSync(code.runtimeFolder).find((name) => name.endsWith(".json"));
    return file && JSON.parse(readFileSync(join(code.runtimeFolder, file), "utf8"));
  }

  function record(): EngineRecord {
    const found = findRecord();
    assert.ok(found, "no engine has published itself");
    return found;
  }
});

async function growsBeyond(
  text: { innerText(): Promise<string> },
  numCharacters: number,
): Promise<void> {
  for (;;) {
    const length = (await text.innerText()).length;
    if (length > numCharacters) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** The scripts are plain JavaScript without types; callers say what they use. */
function script(path: string) {
  return import(path);
}
