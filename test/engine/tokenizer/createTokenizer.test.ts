import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createTokenizer } from "../../../src/engine/tokenizer/createTokenizer.ts";
import type { Tokenizer } from "../../../src/engine/tokenizer/tokenizer.ts";
import { testData } from "../../support/testData.ts";
import {
  byteLevelMetadata,
  pieces,
  REAL_VOCABULARIES,
  type RealVocabulary,
  realMetadata,
  sentencePieceMetadata,
} from "../../support/vocabularies.ts";

// The keys of a literal object are its names.
const NAMES = Object.keys(REAL_VOCABULARIES) as RealVocabulary[];
const TEXTS = ["kjv.txt", "kjv-verses.tsv", "moby-dick-2701-0.txt", "war-and-peace-2600-0.txt"];

describe("createTokenizer", () => {
  for (const name of NAMES)
    describe(`of ${name}`, () => {
      let tokenizer: Tokenizer;
      before(async function () {
        tokenizer = createTokenizer(await realMetadata(this, name));
      });

      it("gives the tokens of all 47 reference strings", function () {
        const cases = testData(this, `tokenizers/${REAL_VOCABULARIES[name].cases}.inp`);
        const strings = readFileSync(cases, "utf8").split("\n__ggml_vocab_test__\n");
        const expected = readFileSync(cases.replace(/inp$/, "out"), "utf8").split("\n");
        assert.equal(strings.length, 47);
        strings.forEach((text, i) => {
          assert.equal(tokenizer.encode(text).join(" "), expected[i]?.trim(), JSON.stringify(text));
          assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
        });
      });

      it("gives every book back after encoding and decoding", function () {
        const books = TEXTS.map((file) => readFileSync(testData(this, `texts/${file}`), "utf8"));
        const chinese = readFileSync(testData(this, "texts/hongloumeng.txt"));
        books.push(new TextDecoder("gb18030").decode(chinese));
        for (const book of books) assert.ok(tokenizer.decode(tokenizer.encode(book)) === book);
      });
    });

  it("gives back what pieces cannot spell, lone marks and byte order marks included", () => {
    for (const metadata of [sentencePieceMetadata(["▁", "a"]), byteLevelMetadata(["a b"])]) {
      const tokenizer = createTokenizer(metadata);
      for (const text of ["", " ", "  a", "\ufeffa", "a▁b", "\u0000\u0085\u2028", "🙂é\r\n\t"])
        assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
    }
  });

  it("never parses special tokens out of a text unless asked to", () => {
    const metadata = byteLevelMetadata([], ["<|im_end|>"], { "tokenizer.ggml.eos_token_id": 256 });
    const tokenizer = createTokenizer(metadata);
    const text = "a<|im_end|>b";
    assert.equal(tokenizer.encode(text).length, text.length);
    const [a, b] = tokenizer.encode("ab");
    assert.deepEqual(tokenizer.encode(text, { parseSpecial: true }), [a, 256, b]);
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  });

  it("merges no letters into a control token of SentencePiece", () => {
    const tokenizer = createTokenizer(
      sentencePieceMetadata(["<s", "s>", "/s", "</s", "<", ">", "s"]),
    );
    assert.ok(!tokenizer.encode("<s></s>").some((token) => token <= 2));
  });

  it("treats tokens that open or close turns as special, whatever the file calls them", () => {
    const forms = ["<|im_start|>", "<end_of_turn>", "<tool_call>"];
    const metadata = byteLevelMetadata([], forms);
    const types = [...(metadata.get("tokenizer.ggml.token_type") as number[])].map((type, token) =>
      type === 3 ? (token === 256 ? 1 : 4) : type,
    );
    const tokenizer = createTokenizer(metadata.set("tokenizer.ggml.token_type", types));
    assert.deepEqual(
      forms.map((form) => tokenizer.encode(form).length),
      [12, 13, 1],
    );
    assert.ok(tokenizer.endTokens.has(257));
  });

  it("parses special tokens only in the segments that may hold them, and merges across segments", () => {
    const tokenizer = createTokenizer(byteLevelMetadata(["a b"], ["<|end|>"]));
    const tokens = tokenizer.encodeSegments([
      { text: "<|end|>a", parseSpecial: true },
      { text: "b<|end|>", parseSpecial: false },
    ]);
    assert.equal(pieces(tokenizer, tokens), '"<|end|>" "ab" "<" "|" "e" "n" "d" "|" ">"');
  });

  it("puts BOS and EOS where the metadata say so, and only when asked", () => {
    const metadata = sentencePieceMetadata(["a"], { "tokenizer.ggml.add_eos_token": true });
    const tokenizer = createTokenizer(metadata);
    const plain = tokenizer.encode("a");
    assert.equal(plain.at(-1), tokenizer.tokenId("a"));
    assert.deepEqual(tokenizer.encode("a", { addSpecial: true }), [1, ...plain, 2]);
    const without = createTokenizer(metadata.set("tokenizer.ggml.add_bos_token", false));
    assert.equal(without.addsBos, false);
  });

  it("leaves special tokens out of decoded text unless asked for them", () => {
    const tokenizer = createTokenizer(sentencePieceMetadata(["▁a"]));
    const a = tokenizer.tokenId("▁a") ?? -1;
    assert.equal(tokenizer.decode([1, a, 2]), "a");
    assert.equal(tokenizer.decode([1, a, 2], { special: true }), "<s> a</s>");
  });

  it("refuses a token outside the vocabulary by name", () => {
    const tokenizer = createTokenizer(byteLevelMetadata([]));
    assert.throws(() => tokenizer.decode([256]), /Token 256 is outside .* 256 tokens/);
    assert.throws(() => tokenizer.decode([-1]), /Token -1/);
  });

  it("streams characters whole, and what stays incomplete as U+FFFD", () => {
    const tokenizer = createTokenizer(byteLevelMetadata([], ["<|end|>"]));
    const stream = tokenizer.stream();
    const pushed = [...tokenizer.encode("é🙂"), 256].map((token) => stream.push(token));
    assert.deepEqual(pushed, ["", "é", "", "", "", "🙂", ""]);
    assert.equal(stream.push(tokenizer.encode("é")[0] ?? -1), "");
    assert.equal(stream.flush(), "\ufffd");
  });

  it("streams what decode gives for a whole text", async function () {
    const tokenizer = createTokenizer(await realMetadata(this, "llama-spm"));
    const text = "Grüße, 世界 🙂\n\tdone";
    const stream = tokenizer.stream();
    const streamed = tokenizer
      .encode(text)
      .map((token) => stream.push(token))
      .join("");
    assert.equal(streamed + stream.flush(), ` ${text}`);
  });
});
