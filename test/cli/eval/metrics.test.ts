import assert from "node:assert/strict";
import { exactMatch, f1, normalise, shareFound } from "../../../src/cli/eval/metrics.ts";

describe("scores of answers", () => {
  it("fold case, articles, punctuation and white space as SQuAD's script does", () => {
    assert.equal(normalise("  The U.S. Navy's\n a  ship-yard "), "us navys shipyard");
    assert.equal(exactMatch("the Grey Heron.", ["grey heron"]), 1);
    assert.equal(exactMatch("heron", ["grey heron", "inn"]), 0);
  });

  it("take the best reference, and count repeated words once each", () => {
    // One of two words given is wanted, and one of three wanted is given: 2 · 1/2 · 1/3 / (1/2 + 1/3).
    assert.equal(f1("grey goose", ["big grey heron"]), 0.4);
    assert.equal(f1("grey goose", ["nothing", "grey goose"]), 1);
    assert.equal(f1("grey grey", ["grey heron"]), 0.5);
    assert.equal(f1("", ["grey heron"]), 0);
  });

  it("tell which expected strings stand in an answer", () => {
    assert.equal(shareFound("It is ABC-1 and 42.", ["abc-1", "43"]), 0.5);
    assert.equal(shareFound("anything", []), 0);
  });
});
