// Where sentences end.

import assert from "node:assert/strict";
import { splitSentences } from "../../../src/engine/answer/sentences.ts";

const split = (text: string) =>
  splitSentences(text).map(({ start, end }) => text.slice(start, end));

describe("sentences", () => {
  it("end behind closing quotes and the numbers of notes", () => {
    const sentences = [
      "The mill ground barley.[1]",
      "“Who says so?”[2][13]",
      "(The chronicle does.)",
      "See [4] for more.",
    ];
    assert.deepEqual(split(sentences.join(" ")), sentences);
  });

  it("do not end behind an abbreviation, nor where a small letter follows", () => {
    const sentences = ["Dr. Hale met Mr. Marlow at no. 7.", "It was 5 p.m. in the harbour."];
    assert.deepEqual(split(sentences.join(" ")), sentences);
  });
});
