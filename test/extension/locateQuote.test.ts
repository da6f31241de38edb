// Finding a quote in the cited lines of an open document.

import assert from "node:assert/strict";
import { locateQuote } from "../../src/extension/locateQuote.ts";

describe("locating a quote", () => {
  it("finds it across line breaks, where the text has other white space than the quote", () => {
    const text = "Call me\r\n   Ishmael. Some years ago";
    const range = locateQuote(text, " me Ishmael. Some ");
    assert.equal(text.slice(range?.start, range?.end), "me\r\n   Ishmael. Some");
  });

  it("takes every character literally", () => {
    const text = "const x = a[0]?.b(c|d) ** 2;";
    const range = locateQuote(text, "a[0]?.b(c|d) ** 2");
    assert.deepEqual(range, { start: 10, end: 27 });
  });

  it("says so when the quote is not there or empty", () => {
    assert.equal(locateQuote("Call me Ishmael.", "Call me Ahab"), undefined);
    assert.equal(locateQuote("Call me Ishmael.", "  "), undefined);
  });
});
