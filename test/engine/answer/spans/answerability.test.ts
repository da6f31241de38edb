// Whether a passage answers a question, by its words.

import assert from "node:assert/strict";
import {
  answerability,
  answerabilityFeatures,
} from "../../../../src/engine/answer/spans/answerability.ts";
import { contestOf } from "../../../../src/engine/answer/spans/contest.ts";
import { likeliestUnread } from "../../../../src/engine/answer/spans/spanSearch.ts";
import { Terms, wordsOf } from "../../../../src/engine/answer/terms.ts";
import { createDocument } from "../../../../src/engine/documents/document.ts";
import { plainText } from "../../../../src/engine/documents/plainText.ts";

const TEXT =
  "The harbour was closed after the storm of 1931. The first parliament of Atlantis was established in 1999 by Queen Mara.";
const terms = new Terms();
const termsOf = (text: string) => wordsOf(text).flatMap((word) => [...terms.of(word)]);

function requestFor(question: string, label = "a") {
  const format = { id: "text", kind: "prose" } as const;
  const document = createDocument({ path: "a", label: "a" }, format, plainText.readText(TEXT));
  const passage = { document, start: 0, end: TEXT.length, score: 1 };
  const { asked, contestants } = contestOf([passage], question, {
    question: terms.ofQuestion(question),
    termsOf,
  });
  const [own] = contestants;
  assert.ok(own);
  const { words, competition } = own;
  const { span } = likeliestUnread({ passage: words, asked, competition });
  return { question, passage: words, span, asked, competition, label, termsOf };
}

const featuresOf = (question: string) => answerabilityFeatures(requestFor(question));

describe("answerability", () => {
  it("is higher where the question's words stand together than where they are exchanged", () => {
    const asked = answerability(
      requestFor("When was the first parliament of Atlantis established?"),
    );
    for (const other of [
      "When was the first parliament of Lemuria abolished?",
      "What was the parliament of Atlantis never established without?",
      "What did the last southern parliament of 1847 forbid?",
    ]) {
      assert.ok(answerability(requestFor(other)) < asked, other);
    }
    assert.ok(asked > 0, "a question in the text's own words is answered");
  });

  it("counts what the sentence and the passage lack, by the class of the word", () => {
    const features = featuresOf("When was the harbour of Lemuria closed in 1847?");
    assert.equal(features["passageLacks.name"], 1);
    assert.equal(features["passageLacks.number"], 1);
    assert.equal(features.passageLacks, 2);
    assert.equal(features.holdsAll, 0);
    const other = featuresOf("When was the parliament of Atlantis established after the storm?");
    assert.equal(other.passageLacks, undefined);
    assert.equal(other.sentenceLacks, 2, "after, storm");
    assert.equal(other.holdsAll, 1);
  });

  it("misses no word that the document's name says", () => {
    const request = requestFor("When was the harbour of Lemuria closed?", "Lemuria/3.md");
    const features = answerabilityFeatures(request);
    assert.equal(features.passageLacks, undefined);
    assert.equal(features.holdsAll, 1);
  });

  it("sees negations, ranks and opposites that do not fit", () => {
    assert.equal(featuresOf("Who did not establish the parliament?").negatedOnlyHere, 1);
    assert.equal(featuresOf("Who established the first parliament?").lacksRank, 0);
    assert.equal(featuresOf("Who established the last parliament?").lacksRank, 1);
    const opposite = featuresOf("What was closed before the storm of 1931?");
    assert.equal(opposite.oppositeInSentence, 1);
    assert.equal(featuresOf("What was closed after the storm of 1931?").oppositeInSentence, 0);
  });

  it("measures how much of the question's order the sentence keeps", () => {
    const { pairsInSentence, subsequence } = featuresOf("parliament of Atlantis was established");
    assert.deepEqual([pairsInSentence, subsequence], [1, 1]);
    const shuffled = featuresOf("established was Atlantis of parliament");
    assert.equal(shuffled.pairsInSentence, 0);
    assert.ok((shuffled.subsequence ?? 1) < 0.5);
  });
});
