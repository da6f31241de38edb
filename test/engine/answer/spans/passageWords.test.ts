// How a passage is laid out for the span search: words, sentences, what each shares with the question.

import assert from "node:assert/strict";
import { passageWords } from "../../../../src/engine/answer/spans/passageWords.ts";
import { Terms } from "../../../../src/engine/answer/terms.ts";

const terms = new Terms();
const TEXT =
  "In 1,024 days Mara's mid-1990s yacht sailed 40% of the way. It was hers, not Bob's.\n\nThe U.S. paid $5 million.";

function layOut(text: string, question = "") {
  const asked = question === "" ? [] : terms.ofQuestion(question);
  return passageWords(text, new Map(asked.map((term) => [term, 1])), (word) => terms.of(word));
}

describe("passageWords", () => {
  it("keeps numbers, hyphens and signs together, and leaves out a possessive in front of what is owned", () => {
    const { words } = layOut(TEXT);
    assert.deepEqual(
      words.map(({ text }) => text),
      "In 1,024 days Mara mid-1990s yacht sailed 40% of the way It was hers not Bob's The U.S paid $5 million".split(
        " ",
      ),
    );
    for (const { start, end, text } of words) assert.equal(TEXT.slice(start, end), text);
  });

  it("knows each word's sentence and shape", () => {
    const { words, sentences } = layOut(TEXT);
    assert.equal(sentences.length, 3);
    const named = (text: string) => words.find((word) => word.text === text);
    assert.equal(named("Mara")?.sentence, 0);
    assert.equal(named("It")?.isFirst, true);
    assert.equal(named("It")?.isFunction, true);
    assert.equal(named("million")?.isNumeric, true);
    assert.equal(named("Mara")?.isNumeric, false);
    assert.equal(layOut("On 3 May 1999 it rained.").words[3]?.isTime, true);
  });

  it("weighs sentences and the passage by the question's terms that they hold, stems alike", () => {
    const { sentences, share } = layOut(TEXT, "How many million dollars did Mara's yachts cost?");
    // million, dollar, Mara, yacht, cost
    assert.deepEqual(
      sentences.map((sentence) => sentence.share),
      [0.4, 0, 0.2],
    );
    assert.ok(Math.abs(share - 0.6) < 1e-9);
  });

  it("holds nothing of a question without terms, and no words of an empty text", () => {
    assert.equal(layOut("Some text.").share, 0);
    assert.deepEqual(layOut("").words, []);
  });
});
