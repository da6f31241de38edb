// Summaries: by the text's own sentences, or by a model in parts that fit its context; sections with titles and lines.

import assert from "node:assert/strict";
import { Shelf } from "../../../src/engine/answer/shelf.ts";
import { summarizeDocument } from "../../../src/engine/answer/summarizeDocument.ts";
import { StoppedError } from "../../../src/engine/errors.ts";
import type { LanguageModel } from "../../../src/engine/languageModel.ts";
import type { Observer } from "../../../src/protocol.ts";
import { characterTokenizer, scriptedModel } from "../../support/scriptedModel.ts";
import { testData } from "../../support/testData.ts";
import { withFiles } from "../../support/writtenFiles.ts";

const CHAPTERS = ["foxes", "herons", "otters"].map(
  (animal) =>
    `# About ${animal}\n\n${`The ${animal} of the valley live by the river. In winter the ${animal} of the valley sleep by the river. Rain fell. `.repeat(3)}\n`,
);
const CHAT_TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}";

async function summarize(
  text: string,
  {
    model,
    observer,
    signal,
  }: { model?: LanguageModel; observer?: Observer; signal?: AbortSignal } = {},
) {
  return withFiles({ "a.md": text }, (folder) =>
    summarizeDocument(
      { path: `${folder}/a.md` },
      { shelf: new Shelf(), tokenizer: characterTokenizer, ...(model && { model }) },
      { ...(observer && { observer }), ...(signal && { signal }) },
    ),
  );
}

describe("summarising", () => {
  it("takes the text's own sentences, section by section, and says so", async () => {
    const result = await summarize(CHAPTERS.join("\n"));
    assert.equal(result.method, "extractive");
    assert.deepEqual(
      result.sections.map(({ title, startLine, endLine }) => [title, startLine, endLine]),
      [
        ["About foxes", 1, 3],
        ["About herons", 5, 7],
        ["About otters", 9, 11],
      ],
    );
    for (const [i, section] of result.sections.entries()) {
      for (const sentence of section.summary.split(/(?<=\.) /)) {
        assert.ok(CHAPTERS[i]?.includes(sentence), sentence);
      }
    }
    assert.equal(result.coverage.tokensTotal, CHAPTERS.join("\n").length);
  });

  it("uses the extractive way for a model that was not trained to follow instructions", async () => {
    const result = await summarize(CHAPTERS.join("\n"), {
      model: scriptedModel({ reply: () => "no" }),
    });
    assert.equal(result.method, "extractive");
  });

  it("gives every part to a model, within its context, then merges", async () => {
    const model = scriptedModel({
      promptFormat: "chat",
      chatTemplate: CHAT_TEMPLATE,
      contextLength: 1600,
      reply: (prompt) =>
        prompt.includes("summaries of the parts") ? "All animals." : "An animal.",
    });
    const streamed: string[] = [];
    const progress: number[] = [];
    const result = await summarize(CHAPTERS.map((chapter) => chapter.repeat(3)).join("\n"), {
      model,
      observer: {
        token: (text) => streamed.push(text),
        progress: ({ phase, done }) => phase === "summarize" && progress.push(done),
      },
    });
    assert.equal(result.method, "model");
    assert.equal(result.summary, "All animals.");
    assert.equal(streamed.join(""), "All animals.");
    assert.ok(progress.length > 0);
    assert.ok(model.prompts.every((prompt) => prompt.length <= 1600));
    const shown = model.prompts.join(" ").replace(/\s+/g, " ");
    for (const animal of ["foxes", "herons", "otters"]) {
      assert.ok(shown.split(`In winter the ${animal}`).length - 1 >= 9, animal);
    }
    assert.ok((result.stats?.generatedTokens ?? 0) > 0);
  });

  it("keeps the sections that were done when a model is stopped", async () => {
    const abort = new AbortController();
    let runs = 0;
    const model = scriptedModel({
      promptFormat: "chat",
      chatTemplate: CHAT_TEMPLATE,
      reply: () => {
        if (++runs === 2) abort.abort();
        return "An animal.";
      },
    });
    const result = await summarize(CHAPTERS.join("\n"), { model, signal: abort.signal });
    assert.equal(result.partial, true);
    assert.deepEqual(
      result.sections.map(({ title }) => title),
      ["About foxes"],
    );
  });

  it("throws StoppedError when stopped before anything was done", async () => {
    await assert.rejects(
      summarize(CHAPTERS[0] ?? "", { signal: AbortSignal.abort() }),
      StoppedError,
    );
  });

  it("summarises War and Peace by its books", async function () {
    const path = testData(this, "texts/war-and-peace-2600-0.txt");
    const { sections, summary } = await summarizeDocument(
      { path },
      { shelf: new Shelf(), tokenizer: characterTokenizer },
      {},
    );
    const books = sections.filter(({ title }) => title.startsWith("BOOK"));
    assert.equal(books.length, 15);
    assert.ok(
      books.every((book) => book.summary.length > 40 && book.endLine > book.startLine + 1000),
    );
    assert.ok(summary.length > 200);
  });
});
