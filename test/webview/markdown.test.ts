// The sanitiser of answers, in the real browser it is made for.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Chip, ChipCitation } from "../../src/webview/markdown.ts";
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

  function render(
    text: string,
    chips: Chip[] = [],
    by: "renderMarkdown" | "renderPlain" = "renderMarkdown",
  ): Promise<string> {
    return page.evaluate(`lectern.${by}(${JSON.stringify(text)}, ${JSON.stringify(chips)})`);
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
      const html = await render(attack);
      const found = await page.evaluate(`(${FIND_ACTIVE})(${JSON.stringify(html)})`);
      assert.deepEqual(found, []);
    });
  }

  for (const by of ["renderMarkdown", "renderPlain"] as const) {
    it(`puts the chips behind the last words, and leaves the text's own numbers alone (${by})`, async () => {
      const html = await render("First.\n\nIshmael [1] and a[2]", [{ number: 1, citation }], by);
      assert.match(
        html,
        /Ishmael \[1\] and a\[2\] <button[^>]*data-citation="0"[^>]*>1<\/button><\/p>\s*$/,
      );
      assert.equal(html.match(/<button/g)?.length, 1);
      assert.match(html, /class="chip verified"/);
    });
  }

  it("puts the chips below what does not end with words", async () => {
    const html = await render("```\ncode\n```", [{ number: 2, citation }]);
    assert.match(html, /<\/pre>\s*<p><button[^>]*data-citation="1"[^>]*>2<\/button><\/p>$/);
  });

  it("shows words of documents as they stand", async () => {
    const html = await render("# Harbour\n* barley *\n\n<b>[1]</b> `x`", [], "renderPlain");
    assert.equal(
      html,
      '<p class="plain"># Harbour\n* barley *</p><p class="plain">&lt;b&gt;[1]&lt;/b&gt; `x`</p>',
    );
  });

  it("escapes the labels of citations", async () => {
    const html = await render("", [{ number: 1, citation }]);
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
