import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LlamaLogLevel, type LlamaModel } from "node-llama-cpp";
import { type WritableValue, writeGguf } from "../../../src/engine/model/ggufWriter.ts";
import { createTokenizer } from "../../../src/engine/tokenizer/createTokenizer.ts";
import { PRE_TOKENIZERS } from "../../../src/engine/tokenizer/preTokenizers.ts";
import type { Tokenizer } from "../../../src/engine/tokenizer/tokenizer.ts";
import { useLlamaCpp } from "../../support/llamaCpp.ts";
import { random } from "../../support/random.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { testData } from "../../support/testData.ts";
import { type MetadataMap, realMetadata } from "../../support/vocabularies.ts";

const POOLS = [
  "abcXYZ",
  "  \t\n\r",
  "0123456789٣৩",
  "'stremdllvS",
  ".,!?$+<=>^~|`@#/",
  "éàüÄŠжДΩσ",
  "中文かなカナ한글",
  "😀👍\u200d\u0301\u0300",
  "\u0085\u00a0\u3000\u2028\ufeff",
  "_-()[]{}…。，",
  "ⅧᾈǅʰʷªⅫ½²",
];

describe("createTokenizer beside llama.cpp", () => {
  const llama = useLlamaCpp();
  const folder = useTemporaryFolder();
  let texts: string[];

  before(async function () {
    texts = [...fuzz(200, 3), ...(await excerpts(this))];
    // It reports the missing tensors of a vocabulary before it accepts it.
    llama().logLevel = LlamaLogLevel.disabled;
  });

  for (const ids of groupsOfEqualSplits())
    it(`gives the same tokens with ${ids.join(", ")}`, async function () {
      const metadata = await realMetadata(this, "gpt-2");
      // llama.cpp sees wide spaces as other characters; preTokenizers.test.ts holds them against the models' own tokenizers.
      const inputs = ids[0]?.startsWith("deepseek-")
        ? texts.map((text) => text.replaceAll(/[\u0085\u00a0\u2028\u3000]/g, " "))
        : texts;
      await compare(metadata.set("tokenizer.ggml.pre", ids[0]), inputs);
    });

  it("gives the same tokens with SentencePiece", async function () {
    const metadata = await realMetadata(this, "llama-spm");
    await compare(metadata, texts);
  });

  it("gives the same tokens around special tokens", async function () {
    const metadata = await realMetadata(this, "llama-spm");
    const special = ["<s>[INST] Hi! [/INST] Yes.</s><s>[INST] And? [/INST]", "a</s> b</s>", "</s>"];
    await compare(metadata, special, true);
  });

  it("gives the same tokens around Phi-3's special tokens, which swallow white space", async function () {
    const metadata = await realMetadata(this, "llama-spm");
    const append = (key: string, added: readonly unknown[]) =>
      metadata.set(key, [...(metadata.get(key) as unknown[]), ...added]);
    append("tokenizer.ggml.tokens", ["<|endoftext|>", "<|user|>", "<|end|>", "<|assistant|>"]);
    append("tokenizer.ggml.scores", [0, 0, 0, 0]);
    append("tokenizer.ggml.token_type", [3, 3, 3, 3]);
    metadata.set("general.name", "Phi-3.5 mini").set("llama.vocab_size", 32_004);
    const turns = "<s><|user|>\nHi  <|end|>\n<|assistant|>\n x<|endoftext|>\n<s> y</s> z";
    await compare(metadata, [turns], true);
  });

  async function compare(metadata: MetadataMap, inputs: readonly string[], parseSpecial = false) {
    const path = join(folder(), "vocabulary.gguf");
    await writeGguf(path, { metadata: writable(metadata), tensors: [] });
    const model = await llama().loadModel({ modelPath: path, vocabOnly: true });
    try {
      const tokenizer = createTokenizer(metadata);
      for (const text of inputs) assertSame(tokenizer, model, text, parseSpecial);
      assert.equal(tokenizer.addsBos, model.tokens.shouldPrependBosToken);
    } finally {
      await model.dispose();
    }
  }
});

function assertSame(tokenizer: Tokenizer, model: LlamaModel, text: string, parseSpecial: boolean) {
  const expected = [...model.tokenize(text, parseSpecial)];
  const actual = tokenizer.encode(text, { parseSpecial });
  assert.deepEqual(actual, expected, JSON.stringify(text));
}

/** Ids by what they do, so that each split is compared once. */
function groupsOfEqualSplits(): string[][] {
  const groups = new Map<unknown, string[]>();
  for (const [id, { stages }] of Object.entries(PRE_TOKENIZERS))
    groups.set(stages, [...(groups.get(stages) ?? []), id]);
  return [...groups.values()];
}

function writable(metadata: MetadataMap): Map<string, WritableValue> {
  const values = new Map<string, WritableValue>();
  for (const [key, value] of metadata) {
    if (typeof value === "string") values.set(key, { type: "string", value });
    else if (typeof value === "boolean") values.set(key, { type: "bool", value });
    else if (typeof value === "number")
      values.set(key, { type: key.includes("epsilon") ? "f32" : "u32", value });
    else if (key.endsWith("scores")) values.set(key, { type: "f32s", value: value as number[] });
    else if (key.endsWith("type")) values.set(key, { type: "i32s", value: value as number[] });
    else values.set(key, { type: "strings", value: value as string[] });
  }
  return values;
}

async function excerpts(context: Mocha.Context): Promise<string[]> {
  const next = random(5);
  const cut = (text: string) =>
    Array.from({ length: 3 }, () => {
      const start = Math.floor(next() * (text.length - 2000));
      return text.slice(start, start + 2000);
    });
  const read = async (file: string, encoding: string) =>
    cut(new TextDecoder(encoding).decode(await readFile(testData(context, `texts/${file}`))));
  return [
    ...(await read("kjv.txt", "utf-8")),
    ...(await read("war-and-peace-2600-0.txt", "utf-8")),
    ...(await read("hongloumeng.txt", "gb18030")),
    await readFile(new URL(import.meta.url), "utf8"),
  ];
}

function fuzz(count: number, seed: number): string[] {
  const next = random(seed);
  const pick = (list: readonly string[]) => list[Math.floor(next() * list.length)] ?? "";
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + Math.floor(next() * 30) }, () => pick([...pick(POOLS)])).join(""),
  );
}
