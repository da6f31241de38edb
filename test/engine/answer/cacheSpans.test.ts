// Which passages of a cached text are weighed as answers.

import assert from "node:assert/strict";
import { passagesToWeigh } from "../../../src/engine/answer/cacheSpans.ts";
import { createDocument } from "../../../src/engine/documents/document.ts";
import { plainText } from "../../../src/engine/documents/plainText.ts";

const text = "one two three four five";
const document = createDocument(
  { path: "a", label: "a" },
  { id: "text", kind: "prose" },
  plainText.readText(text),
);
const [one, two, three, four] = [0, 4, 8, 14].map((start) => ({ document, start, end: start + 3 }));

describe("passages of a cache that are weighed", () => {
  it("begin with those of the model's own answer: what stayed in the cache is not brought back", () => {
    assert.ok(one && two && three && four);
    const recalled = [three, one].map((passage, i) => ({ passage, share: 0.6 - 0.2 * i }));
    assert.deepEqual(passagesToWeigh([one], recalled), [one, three]);
    assert.deepEqual(passagesToWeigh([], recalled), [three, one]);
  });

  it("leave room for what came back, however often the answer's words stand in the text", () => {
    assert.ok(one && two && three && four);
    assert.deepEqual(passagesToWeigh([one, two, three], [{ passage: four, share: 1 }]), [
      one,
      two,
      four,
    ]);
  });
});
