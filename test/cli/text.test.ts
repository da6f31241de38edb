import assert from "node:assert/strict";
import { oneLine } from "../../src/cli/errorText.ts";
import { answerText, passageText, skippedText } from "../../src/cli/text.ts";
import { textTable } from "../../src/cli/textTable.ts";
import { StoppedError, UserError } from "../../src/engine/errors.ts";
import type { Answer } from "../../src/protocol.ts";

const answer: Answer = {
  found: true,
  answer: "1999",
  citations: [
    {
      path: "a.md",
      startLine: 3,
      endLine: 4,
      quote: "in\n  1999",
      verified: true,
      origin: "answer",
    },
    {
      path: "b.md",
      startLine: 7,
      endLine: 7,
      page: 2,
      quote: "x",
      verified: false,
      origin: "passage",
    },
  ],
  coverage: {
    tokensTotal: 5000,
    tokensSearched: 5000,
    tokensInCache: 0,
    tokensReread: 120,
    skipped: [],
  },
  notes: ["A note."],
};

describe("text of results", () => {
  it("say which share of the blocks sparse prefill attended to", () => {
    const prefill = { sparsity: "lambda", threshold: 0.3, thresholdOf: "blocks" } as const;
    const stats = {
      model: "m",
      adapter: "a",
      promptTokens: 9,
      generatedTokens: 1,
      prefillMs: 1,
      decodeMs: 1,
      prefillTokensPerSecond: 1,
      decodeTokensPerSecond: 1,
      timeToFirstTokenMs: 1,
      gpuBytes: {},
      cache: { policy: "full", typeK: "f16", typeV: "f16", tokensRead: 9, tokensKept: 9 },
    };
    const measured = { ...stats, prefill: { ...prefill, blocksAttended: 0.314 } };
    const text = (of: object): string => answerText({ ...answer, stats: of } as Answer);
    assert.match(text(measured), /Prefill attended to 31 % of the blocks \(lambda\)/);
    assert.doesNotMatch(text({ ...stats, prefill }), /Prefill attended/);
  });

  it("begins with the answer, marks the quotes that were found and gives places", () => {
    const lines = answerText(answer).split("\n");
    assert.equal(lines[0], "1999");
    assert.ok(lines.includes("  ✓ quote found  a.md:3-4"));
    assert.ok(lines.includes("      “in 1999”"));
    assert.ok(lines.includes("  passage  b.md:7, page 2"));
    assert.ok(lines.includes("A note."));
    assert.ok(lines.includes("Searched 5,000 of 5,000 tokens, read 120 again word for word."));
  });

  it("says nothing of reading again where no model read", () => {
    const coverage = { ...answer.coverage, tokensReread: 0 };
    assert.match(answerText({ ...answer, coverage }), /Searched 5,000 of 5,000 tokens\.$/);
  });

  it("marks an answer that was stopped", () => {
    assert.match(answerText({ ...answer, partial: true }), /^1999 \[stopped before its end\]/);
  });

  it("names the first files that were skipped and counts the others", () => {
    const skipped = Array.from({ length: 8 }, (_, i) => ({ path: `f${i}`, reason: "binary file" }));
    assert.equal(skippedText([]), "");
    assert.match(skippedText(skipped), /^skipped f0 \(binary file\), .*, and 3 more$/);
  });

  it("shows a passage under its place", () => {
    const text = passageText({
      path: "a",
      startLine: 1,
      endLine: 1,
      score: 1.234,
      text: "words\n",
    });
    assert.equal(text, "a:1 (score 1.23)\nwords");
  });

  it("aligns tables, numbers to the right", () => {
    const table = textTable(
      ["name", "size"],
      [
        ["a", "5"],
        ["long name", "123"],
      ],
    );
    assert.equal(table, "name       size\na             5\nlong name   123");
  });
});

describe("failures in one line", () => {
  it("are the message of an error the user can act on, whatever its line breaks", () => {
    assert.equal(oneLine(new UserError("bad\n  model.")), "bad model.");
    assert.equal(oneLine(new StoppedError()), "Stopped.");
  });

  it("say what the system found wrong with a path", () => {
    const refused = (syscall: string) =>
      oneLine(
        Object.assign(new Error("EACCES: permission denied"), {
          ...{ code: "EACCES", path: "/x", syscall },
        }),
      );
    const end = "by this user. Check its permissions.";
    assert.equal(refused("scandir"), `/x may not be read ${end}`);
    assert.equal(refused("mkdir"), `/x may not be written ${end}`);
    assert.equal(refused("open"), `/x may not be opened ${end}`);
  });

  it("admit what was not foreseen", () => {
    assert.equal(oneLine(new Error("odd")), "odd (unexpected: --verbose prints where)");
  });
});
