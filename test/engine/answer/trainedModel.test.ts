// The whole way with a trained model on a real adapter: files in, checked citations out.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { answerQuestion } from "../../../src/engine/answer/answerQuestion.ts";
import { Shelf } from "../../../src/engine/answer/shelf.ts";
import { NoAdapterError } from "../../../src/engine/errors.ts";
import type { OpenModel } from "../../../src/engine/modelHost.ts";
import { openModelOnGpu } from "../../../src/engine/openModel.ts";
import type { Answer } from "../../../src/protocol.ts";
import { pilotPath } from "../../support/pilot.ts";
import { skip } from "../../support/skip.ts";
import { testData } from "../../support/testData.ts";
import { withFiles } from "../../support/writtenFiles.ts";

describe("answers of a trained model", function () {
  this.timeout(180_000);
  let opened: OpenModel | undefined;
  const shelf = new Shelf();

  before(async function () {
    try {
      const { signal } = new AbortController();
      opened = await openModelOnGpu({ model: pilotPath }, { observer: {}, signal });
    } catch (error) {
      if (error instanceof NoAdapterError) skip(this, error.message);
      throw error;
    }
  });
  after(() => opened?.dispose());

  function ask(path: string, question: string, signal?: AbortSignal): Promise<Answer> {
    const { model } = opened ?? assert.fail("the model is opened in a before hook");
    const tools = { shelf, tokenizer: model.tokenizer, model };
    return answerQuestion({ paths: [path], question }, tools, { ...(signal && { signal }) });
  }

  it("find a planted fact and cite its line", async () => {
    const filler = "The meadow behind the mill was quiet, and nobody came along the road. ".repeat(
      8,
    );
    const files = {
      "notes/a.md": `# Mill\n\n${filler}\n`,
      "notes/vault.md": `# Keys\n\n${filler}\n\nThe access code of the north vault is 48213.\n\n${filler}\n`,
    };
    await withFiles(files, async (folder) => {
      const answer = await ask(folder, "What is the access code of the north vault?");
      assert.match(answer.answer, /48213/);
      const [citation] = answer.citations;
      assert.match(citation?.path ?? "", /vault\.md$/);
      assert.equal(citation?.startLine, 5);
      assert.equal(citation?.verified, true);
      assert.ok((answer.stats?.promptTokens ?? 0) > 0);
    });
  });

  it("answer from War and Peace with a quote that stands in the cited lines", async function () {
    const path = testData(this, "texts/war-and-peace-2600-0.txt");
    const { found, citations, coverage } = await ask(path, "Who had a cough for some days?");
    assert.equal(found, true);
    const [citation] = citations;
    assert.ok(citation);
    const lines = readFileSync(path, "utf8")
      .split(/\r\n/)
      .slice(citation.startLine - 1, citation.endLine);
    const folded = (text: string) => text.replace(/\s+/g, " ");
    assert.ok(folded(lines.join("\n")).includes(folded(citation.quote)));
    assert.ok(coverage.tokensTotal > 500_000);
  });

  it("say so when nothing in the text is about the question", async () => {
    await withFiles({ "a.md": "The meadow behind the mill was quiet.\n" }, async (folder) => {
      const answer = await ask(folder, "Which planet has the most moons?");
      assert.equal(answer.found, false);
      assert.deepEqual(answer.citations, []);
    });
  });
});
