import assert from "node:assert/strict";
import { type MergeRule, PairMerger } from "../../../src/engine/tokenizer/pairMerger.ts";
import { random } from "../../support/random.ts";

/** Merges of letters by the index of "xy" in `table`; what merges is the concatenation. */
function rule(text: string, table: readonly string[]): MergeRule & { calls: number } {
  return {
    calls: 0,
    candidate(left, _middle, end) {
      this.calls++;
      return table.indexOf(text.slice(left, end));
    },
    priority: (candidate) => candidate,
    apply: () => {},
  };
}

function merged(text: string, table: readonly string[]): string[] {
  const merger = new PairMerger();
  merger.run(text.length, rule(text, table));
  const parts: string[] = [];
  for (let i = 0; i < text.length; i = merger.ends[i] ?? text.length)
    parts.push(text.slice(i, merger.ends[i]));
  return parts;
}

/** The definition: merge the leftmost pair of the lowest rank until there is none. */
function mergedByDefinition(text: string, table: readonly string[]): string[] {
  const parts = [...text];
  for (;;) {
    const ranks = parts.slice(1).map((part, i) => table.indexOf(`${parts[i]}${part}`));
    const best = Math.min(...ranks.filter((rank) => rank >= 0));
    if (best === Number.POSITIVE_INFINITY) return parts;
    const at = ranks.indexOf(best);
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`);
  }
}

describe("PairMerger", () => {
  it("merges as the definition of BPE does, on random texts and tables", () => {
    const next = random(7);
    const letters = (length: number) =>
      Array.from({ length }, () => "abc"[Math.floor(next() * 3)]).join("");
    for (let round = 0; round < 300; round++) {
      const table = [
        ...new Set(Array.from({ length: 20 }, () => letters(2 + Math.floor(next() * 4)))),
      ];
      const text = letters(1 + Math.floor(next() * 60));
      assert.deepEqual(merged(text, table), mergedByDefinition(text, table));
    }
  });

  it("asks for a number of merges that grows with the text, not with its square", () => {
    const table = Array.from({ length: 12 }, (_, i) => "a".repeat(2 ** (i + 1)));
    const text = "a".repeat(100_000);
    const counting = rule(text, table);
    new PairMerger().run(text.length, counting);
    assert.ok(counting.calls <= 3 * text.length, `${counting.calls} calls`);
  });

  it("does nothing for no symbols and for one", () => {
    assert.deepEqual(merged("", ["aa"]), []);
    assert.deepEqual(merged("a", ["aa"]), ["a"]);
  });
});
