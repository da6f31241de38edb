// What the engine returned, as the chat keeps it and as text.

import assert from "node:assert/strict";
import { answered, answerText, sourceTexts, summarized } from "../../src/extension/turnResults.ts";
import type { Answer, ChatTurn, Coverage, Summary } from "../../src/protocol.ts";

const coverage: Coverage = {
  ...{ tokensTotal: 10, tokensSearched: 10, tokensInCache: 0, tokensReread: 0 },
  skipped: [],
};
const label = (path: string) => path.replace("/town/", "");

const summary: Summary = {
  summary: "The mill ground barley.[1]",
  method: "extractive",
  sections: [
    { title: "Mill", summary: "The mill ground barley.[1]", startLine: 1, endLine: 3 },
    { title: "**Harbour**", summary: "# Harbour", startLine: 4, endLine: 9 },
  ],
  coverage,
};

function turnOf(end: Partial<ChatTurn>): ChatTurn {
  const begun = { id: "1", question: "", scope: "", answer: "", citations: [], notes: [] };
  return { ...begun, kind: "summarize", state: "running", ...end };
}

describe("results of a turn", () => {
  it("keep a summary's sections apart from its text, which may hold numbers in brackets of its own", () => {
    const end = summarized(summary, "/town/README.md", label);
    assert.equal(end.answer, "The mill ground barley.[1]");
    assert.deepEqual(end.sections, [
      { title: "Mill", summary: "The mill ground barley.[1]" },
      { title: "**Harbour**", summary: "# Harbour" },
    ]);
    assert.deepEqual(
      end.citations?.map(({ startLine }) => startLine),
      [1, 4],
    );
  });

  it("lack sections where a single one is the whole summary", () => {
    const sections = summary.sections.slice(0, 1);
    const end = summarized({ ...summary, sections }, "/town/README.md", label);
    assert.deepEqual([end.sections, end.citations], [[], []]);
  });

  it("are plain text unless a model wrote them in its own words", () => {
    const isPlain = (method: Summary["method"]) =>
      summarized({ ...summary, method }, "/town/README.md", label).isPlain;
    assert.deepEqual([isPlain("extractive"), isPlain("model")], [true, false]);
    const quoted: Answer = { found: true, answer: "# Harbour", citations: [], coverage };
    assert.equal(answered(quoted, "", label).isPlain, true);
    assert.equal(answered({ ...quoted, markdown: true }, "", label).isPlain, false);
  });

  it("are told in full as text, with the numbers of a summary's sections", () => {
    const turn = turnOf(summarized(summary, "/town/README.md", label));
    assert.equal(
      answerText(turn),
      "The mill ground barley.[1]\n\nMill [1]\n\nThe mill ground barley.[1]\n\n**Harbour** [2]\n\n# Harbour",
    );
    assert.equal(answerText(turnOf({ kind: "ask", answer: "In 1999." })), "In 1999.");
  });

  it("say of quotes whether they were found, and of a summary's sections nothing", () => {
    const citation = { path: "/town/a.md", startLine: 3, endLine: 4, quote: "in 1999" } as const;
    const quote = { ...citation, label: "a.md", verified: true, origin: "answer" } as const;
    const asked = turnOf({ kind: "ask", citations: [quote, { ...quote, verified: false }] });
    const t = (text: string) => text;
    assert.deepEqual(sourceTexts(asked, t), [
      "[1] a.md:3-4 (quote found)\n    in 1999",
      "[2] a.md:3-4 (no quote found)\n    in 1999",
    ]);
    const summarised = turnOf(summarized(summary, "/town/README.md", label));
    assert.deepEqual(sourceTexts(summarised, t), [
      "[1] README.md:1-3\n    Mill",
      "[2] README.md:4-9\n    **Harbour**",
    ]);
  });
});
