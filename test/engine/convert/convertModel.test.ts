// What `convert` writes from real checkpoints and vocabularies, and what it refuses.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { convertModel } from "../../../src/engine/convert/convertModel.ts";
import { UserError } from "../../../src/engine/errors.ts";
import { GgufFile } from "../../../src/engine/model/gguf.ts";
import { openModel } from "../../../src/engine/model/loadWeights.ts";
import { useTemporaryFolder } from "../../support/temporaryFolder.ts";
import { testData } from "../../support/testData.ts";

const CHECKPOINT = "weights/stories260K/stories260K.bin";

describe("convert", () => {
  const folder = useTemporaryFolder();
  const output = (): string => join(folder(), "out", "model.gguf");
  beforeEach(() => mkdir(join(folder(), "out"), { recursive: true }));

  async function metadataOf(path: string): Promise<ReadonlyMap<string, unknown>> {
    const file = await GgufFile.open(path);
    await file.close();
    return file.metadata.values;
  }

  it("turns a llama2.c checkpoint into a model that loads", async function () {
    const result = await convertModel(testData(this, CHECKPOINT), output());
    assert.equal(result.kind, "llama2.c");
    assert.equal(result.numTensors, 47);
    const model = await openModel(output());
    const { config } = model;
    await model.close();
    assert.deepEqual(
      [config.hiddenSize, config.intermediateSize, config.numLayers, config.vocabSize],
      [64, 172, 5, 512],
    );
    assert.deepEqual([config.numHeads, config.numKvHeads, config.headDim], [8, 4, 8]);
    assert.equal(config.layers[0]?.rope.pairing, "interleaved");
    assert.ok(config.tiedOutput);
    assert.deepEqual(readdirSync(join(folder(), "out")), ["model.gguf"]);
  });

  it("reads both versions of the checkpoint alike", async function () {
    const version1 = testData(this, "weights/stories260K/stories260K.checkpoint_v1.bin");
    await convertModel(testData(this, CHECKPOINT), output());
    const other = join(folder(), "version1.gguf");
    await convertModel(version1, other);
    const [a, b] = await Promise.all([openModel(output()), openModel(other)]);
    assert.deepEqual(b.config, a.config);
    for (const weight of a.all()) {
      const [mine, theirs] = await Promise.all([
        weight.slices().next(),
        b.get(weight.role, weight.layer)?.slices().next(),
      ]);
      assert.deepEqual(theirs?.value, mine.value, weight.tensor);
    }
    await Promise.all([a.close(), b.close()]);
  });

  it("keeps rows that are no multiple of 32 in F16 under q8_0, and norms in F32", async function () {
    await convertModel(testData(this, CHECKPOINT), output(), { type: "q8_0" });
    const model = await openModel(output());
    const formats = (["q", "down", "attentionNorm"] as const).map(
      (role) => model.get(role, 0)?.format,
    );
    await model.close();
    assert.deepEqual(formats, ["q8_0", "f16", "f32"]);
  });

  it("makes a vocabulary of vocab.json and merges.txt", async function () {
    const result = await convertModel(testData(this, "tokenizers/qwen2.5"), output());
    assert.deepEqual([result.kind, result.numTensors], ["vocab.json", 0]);
    const metadata = await metadataOf(output());
    assert.equal(metadata.get("tokenizer.ggml.pre"), "qwen2");
    const tokens = metadata.get("tokenizer.ggml.tokens");
    const types = metadata.get("tokenizer.ggml.token_type");
    assert.ok(Array.isArray(tokens) && Array.isArray(types));
    assert.equal(tokens[151644], "<|im_start|>");
    assert.deepEqual([types[0], types[151644], types.length], [1, 3, tokens.length]);
    assert.equal(metadata.get("tokenizer.ggml.eos_token_id"), 151645);
    assert.ok(String(metadata.get("tokenizer.chat_template")).includes("<|im_start|>"));
  });

  it("derives the merges of tiktoken ranks", async function () {
    this.timeout(120_000);
    const result = await convertModel(testData(this, "tokenizers/llama3"), output());
    assert.equal(result.kind, "tiktoken");
    const metadata = await metadataOf(output());
    assert.equal(metadata.get("tokenizer.ggml.pre"), "llama-bpe");
    const tokens = metadata.get("tokenizer.ggml.tokens");
    const merges = metadata.get("tokenizer.ggml.merges");
    assert.ok(Array.isArray(tokens) && Array.isArray(merges));
    assert.equal(tokens.length, 128256);
    assert.deepEqual([tokens[128000], tokens[128009]], ["<|begin_of_text|>", "<|eot_id|>"]);
    const written = new Set(tokens);
    for (const merge of merges) assert.ok(written.has(merge.replace(" ", "")), merge);
    assert.ok(merges.includes("Ġ t"));
  });

  it("makes a vocabulary of a SentencePiece model alone", async function () {
    const result = await convertModel(testData(this, "weights/stories260K/tok512.model"), output());
    assert.equal(result.kind, "sentencepiece");
    const metadata = await metadataOf(output());
    assert.deepEqual(
      ["bos", "eos", "unknown"].map((name) => metadata.get(`tokenizer.ggml.${name}_token_id`)),
      [1, 2, 0],
    );
  });

  describe("refuses with one line and without a trace", () => {
    async function assertRefused(source: string, message: RegExp): Promise<void> {
      await assert.rejects(convertModel(source, output()), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    const files: Readonly<Record<string, readonly [string, string, RegExp]>> = {
      "a text": ["a.bin", "Call me Ishmael. Some years ago", /not a llama2.c checkpoint/],
      "an empty file": ["a.bin", "", /not a llama2.c checkpoint/],
      "a GGUF": ["a.bin", "GGUF----", /GGUF file already/],
      "JSON that is no vocabulary": [
        "vocab.json",
        '{"a": "b"}',
        /does not say which pre-tokenizer/,
      ],
      "ranks with a gap": ["tokenizer.model", "IQ== 0\nIg== 2\n", /:2 is not the rank 1/],
      "ranks of an unknown tokenizer": ["tokenizer.model", "IQ== 0\nIg== 1\n", /2 ranks.*--pre/],
    };
    for (const [name, [file, content, message]] of Object.entries(files))
      it(name, async () => {
        const source = join(folder(), file);
        await writeFile(source, content);
        await assertRefused(source, message);
      });

    it("a source that is missing", () => assertRefused(join(folder(), "none"), /does not exist/));

    it("a folder without anything known", async () => {
      await mkdir(join(folder(), "empty"), { recursive: true });
      await assertRefused(join(folder(), "empty"), /neither vocab.json nor tokenizer.model/);
    });

    it("a truncated checkpoint, leaving what was there before", async function () {
      const source = join(folder(), "short.bin");
      await copyFile(testData(this, CHECKPOINT), source);
      await truncate(source, 500_000);
      await copyFile(
        testData(this, "weights/stories260K/tok512.model"),
        join(folder(), "tok512.model"),
      );
      await writeFile(output(), "earlier");
      await assert.rejects(
        convertModel(source, output(), { tokenizer: join(folder(), "tok512.model") }),
        /500000 bytes but its header asks for/,
      );
      assert.equal(readFileSync(output(), "utf8"), "earlier");
      assert.deepEqual(readdirSync(join(folder(), "out")), ["model.gguf"]);
    });
  });
});
