// The sanitiser of answers, in the real browser it is made for.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import type { ChipCitation } from "../../src/webview/markdown.ts";
import { skip } from "../support/skip.ts";

const executablePath = process.env.LECTERN_CHROMIUM ?? "/usr/bin/chromium";
const citation: ChipCitation = {
  label: 'a"b<c>.txt',
  startLine: 3,
  endLine: 4,
  verified: true,
};

// These run in the page, where there is a document; TypeScript checks this file without one.
const FIND_ACTIVE = `(markup) => {
  const holder = document.createElement("div");
  holder.innerHTML = markup;
  const isActive = ({ tagName, attributes }) =>
    /^(SCRIPT|IMG|STYLE|IFRAME|BUTTON)$/.test(tagName) ||
    [...attributes].some(({ name, value }) => /^on/.test(name) || /script:|vscode:/.test(value));
  return [...holder.querySelectorAll("*")].filter(isActive).map(({ outerHTML }) => outerHTML);
}`;
const FIND_TITLE = `(markup) => {
  const holder = document.createElement("div");
  holder.innerHTML = markup;
  return holder.querySelector("button").title;
}`;

describe("markdown of answers", () => {
  let browser: Browser | undefined;
  let page: Page;

  before(async function () {
    if (!existsSync(executablePath)) skip(this, `no Chromium at ${executablePath}`);
    const { outputFiles } = await build({
      entryPoints: ["src/webview/markdown.ts"],
      bundle: true,
      write: false,
      format: "iife",
      globalName: "lectern",
    });
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    page = await browser.newPage();
    await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  });

  after(() => browser?.close());

  function render(text: string, citations: ChipCitation[] = []): Promise<string> {
    const call = `lectern.renderMarkdown(${JSON.stringify(text)}, ${JSON.stringify(citations)})`;
    return page.evaluate(call);
  }

  for (const attack of [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "[click](vscode://command)",
    "![picture](https://example.com/tracker.png)",
    "<style>body{display:none}</style>",
    '<button data-citation="0">1</button>',
    "<iframe src='https://example.com'></iframe>",
  ]) {
    it(`makes nothing active out of ${attack}`, async () => {
      const html = await render(attack, [citation]);
      const found = await page.evaluate(`(${FIND_ACTIVE})(${JSON.stringify(html)})`);
      assert.deepEqual(found, []);
    });
  }

  it("turns numbers of citations into buttons, and leaves other numbers alone", async () => {
    const html = await render("Ishmael [1] and a[2] but [x]", [citation]);
    assert.match(html, /<button[^>]*data-citation="0"[^>]*>1<\/button>/);
    assert.match(html, /class="chip verified"/);
    assert.match(html, /a\[2\] but \[x\]/);
  });

  it("escapes the labels of citations", async () => {
    const html = await render("[1]", [citation]);
    const title = await page.evaluate(`(${FIND_TITLE})(${JSON.stringify(html)})`);
    assert.equal(title, 'a"b<c>.txt, lines 3–4, quote found');
  });

  it("renders lists, code and links of the web", async () => {
    const html = await render(
      "- **a**\n\n```ts\nconst x = 1 < 2;\n```\n\n[site](https://example.com)",
    );
    assert.match(html, /<li><strong>a<\/strong><\/li>/);
    assert.match(html, /1 &lt; 2/);
    assert.match(html, /href="https:\/\/example.com"/);
  });
});
