import assert from "node:assert/strict";
import { ReasoningFilter, withoutReasoning } from "../../../src/engine/answer/reasoning.ts";

describe("ReasoningFilter", () => {
  const text = "a <b> <think>hidden </thin> [1]</think>shown <think>again</think> end <th";

  it("gives the same text however the stream is cut", () => {
    for (let size = 1; size <= text.length; size++) {
      const filter = new ReasoningFilter();
      let visible = "";
      for (let i = 0; i < text.length; i += size) visible += filter.push(text.slice(i, i + size));
      assert.equal(visible + filter.flush(), "a <b> shown  end <th");
    }
  });

  it("passes text on at once unless it may begin a mark", () => {
    const filter = new ReasoningFilter();
    assert.equal(filter.push("five < six"), "five < six");
    assert.equal(filter.push(" <thi"), " ");
    assert.equal(filter.push("s>"), "<this>");
  });

  it("withoutReasoning ends reasoning that the prompt opened", () => {
    assert.equal(withoutReasoning("thinking…</think>\n\nYes."), "Yes.");
    assert.equal(withoutReasoning("<think>no end"), "");
  });
});
