// Drawn tokens as text: each token once, whatever its text.

import assert from "node:assert/strict";
import { type Decoding, decodedText } from "../../src/engine/decodedText.ts";
import type { Piece } from "../../src/engine/languageModel.ts";
import { openTokenizer } from "../../src/engine/openTokenizer.ts";
import { pilotPath } from "../support/pilot.ts";

describe("decoded text", () => {
  it("ends inside of a character with text that has no token of its own", async () => {
    const tokenizer = await openTokenizer(pilotPath);
    const heron = tokenizer.encode("鹭");
    // Not a word of the vocabulary: three bytes behind a space.
    assert.ok(heron.length >= 3);
    for (const count of [heron.length, heron.length - 1]) {
      const drawn = heron.slice(0, count);
      const batches = [drawn];
      // What runs ahead on a GPU is no part of this.
      const ahead = { next: async () => batches.shift() ?? [] } as unknown as Decoding["ahead"];
      const kept: number[] = [];
      const pieces: Piece[] = [];
      const decoding = { ahead, tokenizer, generated: undefined };
      for await (const piece of decodedText(decoding, { prompt: [] }, kept)) pieces.push(piece);
      assert.deepEqual(kept, drawn);
      assert.deepEqual(
        pieces.flatMap(({ token }) => token ?? []),
        drawn,
      );
      const text = pieces.map((piece) => piece.text).join("");
      assert.equal(text.includes("�"), count < heron.length, text);
    }
  });
});
