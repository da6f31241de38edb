// The map of a loaded cache over the documents it was read from.

import assert from "node:assert/strict";
import { keptMap } from "../../../src/engine/answer/keptMap.ts";
import { splitPassages } from "../../../src/engine/answer/passages.ts";
import { createDocument } from "../../../src/engine/documents/document.ts";
import { openTokenizer } from "../../../src/engine/openTokenizer.ts";
import { pilotPath } from "../../support/pilot.ts";

function textDocument(path: string, text: string) {
  return createDocument({ path, label: path }, { id: "text", kind: "prose" }, { text, marks: [] });
}

describe("the map of a cache", () => {
  it("says of each stretch how much is held and where it stands", async () => {
    const tokenizer = await openTokenizer(pilotPath);
    const first = textDocument("a.txt", "Line one of the first.\nLine two.\n\nLine four é.\n");
    const second = textDocument("b.txt", "The second has one line.\n");
    const prompt =
      "[1] a.txt\nLine one of the first.\nLine two.\n\nLine four é.\n\n[2] b.txt\nThe second has one line.\n\n";
    const tokens = tokenizer.encode(prompt, { addSpecial: true });
    // A bin for every token.
    const edges = Array.from({ length: tokens.length + 1 }, (_, i) => i);
    const held = Float32Array.from(tokens, (_, i) => (i % 4) / 4);
    const none = new Float32Array(tokens.length);
    const map = keptMap(
      {
        ...{ document: "both", policy: "h2o", tokens },
        passages: [...splitPassages(first), ...splitPassages(second)],
      },
      { edges, kept: [held, none], attention: [held, none] },
      tokenizer,
    );
    assert.equal(map.tokens, tokens.length);
    assert.deepEqual(map.keptByLayer, [[...held], [...none]]);
    assert.deepEqual(map.attentionByLayer?.[0], [...held]);
    assert.deepEqual(
      map.bins.map(({ firstToken, numTokens, kept }) => [firstToken, numTokens, kept]),
      tokens.map((_, i) => [i, 1, (i % 4) / 8]),
    );
    const linesOf = (text: string) => {
      const places = map.bins.filter(({ firstToken }) =>
        tokenizer.decode([tokens[firstToken] ?? 0]).includes(text),
      );
      return places.map(({ place }) => place && [place.label, place.startLine, place.endLine]);
    };
    assert.deepEqual(linesOf("four"), [["a.txt", 4, 4]]);
    assert.deepEqual(linesOf("second"), [["b.txt", 1, 1]]);
    assert.equal(map.bins[0]?.place, undefined, "the prompt's own words have no place");
  });
});
