// Stop strings in streamed text.

import assert from "node:assert/strict";
import { StopStrings } from "../../src/engine/stopStrings.ts";

function stream(stops: readonly string[], pieces: readonly string[]): string {
  const matcher = new StopStrings(stops);
  let shown = "";
  for (const piece of pieces) {
    const { text, isStopped } = matcher.push(piece);
    shown += text;
    if (isStopped) return `${shown}|`;
  }
  return shown + matcher.flush();
}

describe("StopStrings", () => {
  it("cuts the text in front of the earliest stop string", () => {
    assert.equal(stream(["END", "\n"], ["one\ntwo END"]), "one|");
  });

  it("finds one that arrives in pieces and shows none of it", () => {
    assert.equal(stream(["Question:"], ["Yes. Que", "sti", "on: who?"]), "Yes. |");
  });

  it("shows what only looked like the beginning of one", () => {
    assert.equal(stream(["Question:"], ["Que", "st is over", " Ques"]), "Quest is over Ques");
  });

  it("passes text through when there is none", () => {
    assert.equal(stream([], ["a", "", "b"]), "ab");
  });
});
