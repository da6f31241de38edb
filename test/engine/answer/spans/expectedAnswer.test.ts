// The kind of answer that questions ask for.

import assert from "node:assert/strict";
import {
  type AnswerKind,
  expectedAnswer,
  kindNoun,
} from "../../../../src/engine/answer/spans/expectedAnswer.ts";

const CASES: readonly (readonly [string, AnswerKind])[] = [
  ["Who wrote it?", "person"],
  ["By whom was the parliament established?", "person"],
  ["Which king of Atlantis fell?", "person"],
  ["When did it end?", "time"],
  ["In what year did the war end?", "time"],
  ["How many people live in the city?", "count"],
  ["What percentage of the people agreed?", "count"],
  ["How long is the river?", "count"],
  ["Where does Mara live?", "place"],
  ["In which country is the bridge?", "place"],
  ["Why did they leave?", "reason"],
  ["How did they travel?", "manner"],
  ["What is kelp?", "thing"],
  ["kelp", "thing"],
];

describe("expectedAnswer", () => {
  for (const [question, kind] of CASES) {
    it(`is ${kind} for “${question}”`, () => assert.equal(expectedAnswer(question), kind));
  }
});

describe("kindNoun", () => {
  for (const [question, noun] of [
    ["In what year did the war end?", "year"],
    ["Which famous person wrote it?", "person"],
    ["How many years did it last?", undefined],
    ["What did the year bring?", undefined],
  ] as const)
    it(`is ${noun} in “${question}”`, () => assert.equal(kindNoun(question), noun));
});
