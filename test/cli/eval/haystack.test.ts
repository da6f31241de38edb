import assert from "node:assert/strict";
import { cutProse, cutToTokens, plant } from "../../../src/cli/eval/haystack.ts";
import { Random } from "../../../src/cli/eval/random.ts";
import { characterTokenizer } from "../../support/scriptedModel.ts";

const sentences = Array.from({ length: 40 }, (_, i) => `Sentence ${10 + i} ends here.`);
const text = sentences.join(" ");

describe("haystacks", () => {
  it("hold a needle between two sentences, at the depth that was asked for", () => {
    for (const [depth, before] of [
      [0, 0],
      [25, 10],
      [50, 20],
      [100, 40],
    ] as const) {
      const planted = plant(text, "Here is the needle.", depth);
      const expected = [...sentences];
      expected.splice(before, 0, "Here is the needle.");
      assert.equal(planted, expected.join(" "));
    }
  });

  it("end with a whole sentence and are no longer than asked", () => {
    const cut = cutToTokens(text, 100, characterTokenizer);
    assert.equal(cut, sentences.slice(0, 4).join(" "));
    assert.equal(cutToTokens(text, 5, characterTokenizer), "");
    assert.equal(cutToTokens(text, 1e6, characterTokenizer), text);
  });

  it("are the same for the same seed and others for another", () => {
    const book = Array.from({ length: 50 }, (_, i) => `Paragraph ${i} is short. ${text}`).join(
      "\n\n",
    );
    const cut = (seed: number) =>
      cutProse(book, { tokens: 200, tokenizer: characterTokenizer, random: new Random(seed) });
    assert.equal(cut(1), cut(1));
    assert.notEqual(cut(1), cut(2));
    assert.match(cut(1), /^Paragraph \d+ is short\./);
  });
});
