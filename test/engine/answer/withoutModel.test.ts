// Answers without a model: the nearest sentences, exact search, counts.

import assert from "node:assert/strict";
import { answerQuestion } from "../../../src/engine/answer/answerQuestion.ts";
import { Shelf } from "../../../src/engine/answer/shelf.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { characterTokenizer } from "../../support/scriptedModel.ts";
import { testData } from "../../support/testData.ts";
import { ask, QUESTION } from "./support/askAbout.ts";

describe("answering without a model", () => {
  it("quotes the sentences nearest the question", async () => {
    const answer = await ask(QUESTION);
    assert.equal(answer.found, true);
    assert.match(answer.citations[0]?.quote ?? "", /^The parliament of Atlantis was\nestablished/);
    assert.equal(answer.citations[0]?.verified, false);
    assert.equal(answer.stats, undefined);
    assert.equal(answer.coverage.tokensReread, 0, "nothing was read to a model");
  });

  it("finds where a phrase stands, across lines, whatever the case", async () => {
    const answer = await ask('Where does it say "Atlantis was established"?');
    assert.equal(answer.found, true);
    assert.match(answer.answer, /once: .*history\.md:4\./);
    assert.deepEqual([answer.citations[0]?.startLine, answer.citations[0]?.endLine], [4, 5]);
  });

  it("searches a quoted phrase that stands alone exactly, and asks what is not in the text", async () => {
    const answer = await ask('"Atlantis was established"');
    assert.match(answer.answer, /once: .*history\.md:4\./);
    const question = await ask('"When was the parliament of Atlantis established?"');
    assert.equal(question.found, true);
    assert.match(question.answer, /^“The parliament of Atlantis/);
    const misquoted = await ask('"Atlantis was never established"');
    assert.equal(misquoted.found, false);
    assert.match(misquoted.answer, /does not stand in the text/);
  });

  it("counts mentions exactly, and says when there are none", async () => {
    assert.match(
      (await ask("How many times is Atlantis mentioned?")).answer,
      /“Atlantis” stands in the text 2 times/,
    );
    const none = await ask("Is Lemuria mentioned?");
    assert.equal(none.found, false);
    assert.deepEqual(none.citations, []);
  });

  it("is a clear error where there is nothing to read", async () => {
    await assert.rejects(ask(QUESTION, { files: { "a.png": "x" } }), UserError);
  });

  it("finds a planted sentence in War and Peace", async function () {
    const path = testData(this, "texts/war-and-peace-2600-0.txt");
    const answer = await answerQuestion(
      { paths: [path], question: "Who had a cough for some days?" },
      { shelf: new Shelf(), tokenizer: characterTokenizer },
      {},
    );
    assert.ok(
      answer.citations.some(({ quote }) => /Pávlovna had had a cough/.test(quote)),
      answer.answer,
    );
  });
});
