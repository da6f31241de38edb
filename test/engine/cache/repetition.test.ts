// Which tokens a model is asked to repeat, and behind which words.

import assert from "node:assert/strict";
import {
  createRepetition,
  type Repetition,
  repeatedPieces,
  repeatSlots,
} from "../../../src/engine/cache/repetition.ts";
import type { Tokenizer } from "../../../src/engine/tokenizer/tokenizer.ts";

describe("the pieces of a repeat", () => {
  const repetition: Repetition = { tokensAtOnce: 10, first: [900], later: [901, 902] };
  const tokens = Uint32Array.from({ length: 25 }, (_, i) => i);

  it("cover all slots without a record once, each behind a request", () => {
    const pieces = repeatedPieces(repetition, tokens, { first: 0, end: 25 });
    assert.deepEqual(
      pieces.map(({ first, end }) => [first, end]),
      [
        [0, 10],
        [10, 20],
        [20, 25],
      ],
    );
    assert.deepEqual(pieces[0]?.tokens, [900, ...tokens.slice(0, 10)]);
    assert.deepEqual(pieces[2]?.tokens, [901, 902, ...tokens.slice(12, 20), ...tokens.slice(20)]);
  });

  it("repeat the last tokens read, whatever was evicted before them", () => {
    const [piece] = repeatedPieces(repetition, tokens, { first: 3, end: 8 });
    assert.deepEqual(piece, {
      first: 3,
      end: 8,
      tokens: [901, 902, ...tokens.slice(12, 20), ...tokens.slice(20)],
    });
  });

  it("are none where every slot has a record", () => {
    assert.deepEqual(repeatedPieces(repetition, tokens, { first: 8, end: 8 }), []);
  });

  it("fit in the slots set aside", () => {
    const bytes: Pick<Tokenizer, "encode"> = { encode: (text) => [...Buffer.from(text)] };
    const asked = createRepetition(bytes, 10);
    const lengths = repeatedPieces(asked, tokens, { first: 0, end: 25 }).map(
      (piece) => piece.tokens.length,
    );
    assert.equal(Math.max(...lengths), repeatSlots(asked));
    assert.equal(Buffer.from(asked.first).toString(), "\n\nRepeat the previous context exactly.\n");
  });
});
