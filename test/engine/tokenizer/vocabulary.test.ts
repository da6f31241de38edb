import assert from "node:assert/strict";
import { UserError } from "../../../src/engine/errors.ts";
import { createTokenizer } from "../../../src/engine/tokenizer/createTokenizer.ts";
import {
  byteLevelMetadata,
  type MetadataMap,
  sentencePieceMetadata,
} from "../../support/vocabularies.ts";

function refuses(metadata: MetadataMap, reason: RegExp): void {
  assert.throws(
    () => createTokenizer(metadata),
    (error) =>
      error instanceof UserError && reason.test(error.message) && !error.message.includes("\n"),
  );
}

describe("malformed vocabularies", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>, RegExp])[] = [
    ["no tokens", { tokens: undefined }, /tokens is missing/],
    ["an empty list of tokens", { tokens: [], scores: [], token_type: [] }, /holds 0 tokens/],
    ["tokens that are not strings", { tokens: [1, 2] }, /not an array of strings/],
    ["no scores", { scores: undefined }, /scores is missing/],
    ["scores shorter than tokens", { scores: [0] }, /scores has 1 entries for \d+ tokens/],
    [
      "a score that is no number",
      { scores: new Array(260).fill(Number.NaN) },
      /not a finite number/,
    ],
    ["token types shorter than tokens", { token_type: [1] }, /token_type has 1 entries/],
    [
      "a token type that does not exist",
      { token_type: new Array(260).fill(9) },
      /is 9, not between/,
    ],
    ["EOS outside the vocabulary", { eos_token_id: 4294967295 }, /eos_token_id is 4294967295/],
    ["BOS below zero", { bos_token_id: -1 }, /bos_token_id is -1/],
    ["EOT beyond what a number holds", { eot_token_id: 2n ** 63n }, /eot_token_id is 92233/],
    ["an id that is no number", { eos_token_id: "2" }, /eos_token_id is 2/],
    ["a flag that is no flag", { add_bos_token: 1 }, /add_bos_token is 1/],
    ["no tokenizer", { model: undefined }, /model is missing/],
  ];
  for (const [name, changes, reason] of cases)
    it(`are refused with ${name}`, () => {
      const metadata = sentencePieceMetadata(["a"]);
      for (const [key, value] of Object.entries(changes))
        if (value === undefined) metadata.delete(`tokenizer.ggml.${key}`);
        else metadata.set(`tokenizer.ggml.${key}`, value);
      refuses(metadata, reason);
    });

  it("are refused with a duplicate token, naming both", () => {
    refuses(sentencePieceMetadata(["a", "b", "a"]), /tokens 259 and 261 are both "a"/);
  });

  it("are refused with a byte token that is no byte", () => {
    const metadata = sentencePieceMetadata(["<0x-1>"]);
    const types = [...(metadata.get("tokenizer.ggml.token_type") as number[])].fill(6, -1);
    refuses(metadata.set("tokenizer.ggml.token_type", types), /"<0x-1>", is no byte/);
  });

  it("are refused with a merge that names an unknown token", () => {
    const metadata = byteLevelMetadata(["a b"]);
    refuses(metadata.set("tokenizer.ggml.merges", ["a b", "a zz"]), /merges\[1\], "a zz"/);
    refuses(metadata.set("tokenizer.ggml.merges", ["ab"]), /merges\[0\], "ab"/);
    metadata.delete("tokenizer.ggml.merges");
    refuses(metadata, /merges is missing/);
  });

  it("are refused with add_bos but no BOS", () => {
    refuses(byteLevelMetadata([], [], { "tokenizer.ggml.add_bos_token": true }), /no bos_token_id/);
  });

  it("are refused with a tokenizer or pre-tokenizer nobody knows, naming it and those known", () => {
    refuses(byteLevelMetadata([]).set("tokenizer.ggml.model", "rwkv"), /"rwkv".*llama, gpt2/);
    refuses(byteLevelMetadata([]).set("tokenizer.ggml.model", "toString"), /"toString"/);
    const unknown = byteLevelMetadata([]).set("tokenizer.ggml.pre", "klingon");
    refuses(unknown, /"klingon".*gpt-2.*llama-bpe.*qwen2/);
    const silent = byteLevelMetadata([]);
    silent.delete("tokenizer.ggml.pre");
    refuses(silent, /does not say how its tokenizer splits/);
  });

  it("take the usual ids only where the tokens are what they should be", () => {
    const metadata = sentencePieceMetadata(["a"]);
    for (const key of ["bos", "eos"]) metadata.delete(`tokenizer.ggml.${key}_token_id`);
    assert.equal(createTokenizer(metadata).bosToken, 1);
    assert.deepEqual([...createTokenizer(metadata).endTokens], [2]);
    metadata.delete("tokenizer.ggml.token_type");
    assert.equal(createTokenizer(metadata).bosToken, undefined);
  });

  it("assume no default ids beyond a short vocabulary", () => {
    const tokenizer = createTokenizer(
      new Map<string, unknown>([
        ["tokenizer.ggml.model", "llama"],
        ["tokenizer.ggml.tokens", ["a"]],
        ["tokenizer.ggml.scores", [0]],
      ]),
    );
    assert.equal(tokenizer.bosToken, undefined);
    assert.equal(tokenizer.endTokens.size, 0);
    assert.deepEqual(tokenizer.encode("aa", { addSpecial: true }), [0, 0]);
  });
});
