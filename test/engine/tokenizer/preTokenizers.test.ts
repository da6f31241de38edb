import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  findPreTokenizer,
  PRE_TOKENIZERS,
  splitText,
} from "../../../src/engine/tokenizer/preTokenizers.ts";

interface Golden {
  readonly texts: readonly string[];
  /** Lengths of the parts of each text, by pre-tokenizer. */
  readonly splits: Readonly<Record<string, readonly (readonly number[])[]>>;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL("preTokenizers.golden.json", import.meta.url), "utf8"),
);

function split(id: string, text: string): string[] {
  const parts: string[] = [];
  splitText(findPreTokenizer(id), text, (part) => parts.push(part));
  return parts;
}

describe("preTokenizers", () => {
  for (const [id, splits] of Object.entries(golden.splits))
    it(`${id} splits as the models' own tokenizers do`, () => {
      golden.texts.forEach((text, i) => {
        const lengths = split(id, text).map((part) => part.length);
        assert.deepEqual(lengths, splits[i], JSON.stringify(text));
      });
    });

  for (const id of Object.keys(PRE_TOKENIZERS))
    it(`${id} keeps every character, in order`, () => {
      for (const text of [...golden.texts, "", "\n", " ", "\ud800x"])
        assert.equal(split(id, text).join(""), text);
    });

  it("keeps every character of a word too long for V8's regular expressions", () => {
    const text = `${"a".repeat(9_999_999)}😀 ${"中".repeat(10_000_000)}`;
    let end = 0;
    splitText(findPreTokenizer("qwen2"), text, (part) => {
      assert.ok(text.startsWith(part, end));
      end += part.length;
    });
    assert.equal(end, text.length);
  });
});
