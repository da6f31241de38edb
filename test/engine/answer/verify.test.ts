// A quote is found only where it stands, white space folded; nothing else is.

import assert from "node:assert/strict";
import {
  citeAnswer,
  citePassage,
  findQuote,
  occursInLines,
} from "../../../src/engine/answer/verify.ts";
import { createDocument } from "../../../src/engine/documents/document.ts";
import { readDocuments } from "../../../src/engine/documents/readDocuments.ts";
import { withFiles } from "../../support/writtenFiles.ts";

function passageOf(text: string) {
  const document = createDocument(
    { path: "a", label: "a" },
    { id: "text", kind: "prose" },
    { text, marks: [] },
  );
  return { document, start: 0, end: text.length };
}

describe("verifying quotes", () => {
  it("finds a quote across lines and runs of white space", () => {
    const text = "He said: “the hydra\n   of\trevolution” — so.";
    const span = findQuote(text, "the hydra of  revolution");
    assert.equal(span && text.slice(span.start, span.end), "the hydra\n   of\trevolution");
  });

  it("is exact in everything but white space", () => {
    const text = "It’s Kutúzov (1812), a+b*c, 50–60 %.";
    for (const quote of [
      "Kutúzov (1812)",
      "a+b*c",
      "It’s",
      "50–60 %.",
      "[x]",
      "50-60",
      "kutúzov",
      "Kutuzov",
      "It's",
    ]) {
      assert.equal(findQuote(text, quote) !== undefined, text.includes(quote), quote);
    }
  });

  it("does not find a number inside a longer one, nor a word inside a word", () => {
    assert.equal(findQuote("in 1999", "19"), undefined);
    assert.equal(findQuote("another", "other"), undefined);
    assert.deepEqual(findQuote("another other", "other"), { start: 8, end: 13 });
    assert.deepEqual(findQuote("阿甄士隐也", "甄士隐"), { start: 1, end: 4 });
  });

  it("finds nothing for an empty quote", () => {
    assert.equal(findQuote("abc", " \n"), undefined);
  });

  it("looks only where it is told to", () => {
    const text = "one two one";
    assert.deepEqual(findQuote(text, "one", { start: 1, end: 11 }), { start: 8, end: 11 });
    assert.equal(findQuote(text, "one", { start: 1, end: 10 }), undefined);
  });

  it("cites the sentence around the model's words, and its lines", () => {
    const passage = passageOf("First one.\nThe parliament was\nestablished in 1999. Last one.");
    const span = findQuote(passage.document.text, "1999") ?? assert.fail();
    assert.deepEqual(citeAnswer(passage, span, "1999"), {
      path: "a",
      startLine: 2,
      endLine: 3,
      quote: "The parliament was\nestablished in 1999.",
      verified: true,
      origin: "answer",
    });
    assert.equal(citeAnswer(passage, span, "1998").verified, false);
    assert.equal(citePassage(passage, span).verified, false);
  });

  it("keeps a quote of a long sentence short and around the words", () => {
    const passage = passageOf(`${"word ".repeat(300)}needle ${"word ".repeat(300)}`.trim());
    const span = findQuote(passage.document.text, "needle") ?? assert.fail();
    const { quote, verified } = citeAnswer(passage, span, "needle");
    assert.ok(quote.length <= 400 && quote.includes("needle") && /^word .* word$/.test(quote));
    assert.ok(verified);
  });

  it("counts lines of the source, with CRLF and astral characters before them", async () => {
    await withFiles({ "a.txt": "😀\r\n\r\nthe quoted\r\nwords 😀 here\r\n" }, async (folder) => {
      const [document] = (await readDocuments([folder])).documents;
      assert.ok(document);
      const passage = { document, start: 0, end: document.text.length };
      const span = findQuote(document.text, "quoted words 😀 here") ?? assert.fail();
      const citation = citeAnswer(passage, span, "quoted words 😀");
      assert.deepEqual([citation.startLine, citation.endLine, citation.verified], [3, 4, true]);
      assert.ok(!occursInLines(passage, { startLine: 3, endLine: 3 }, "quoted words"));
    });
  });
});
