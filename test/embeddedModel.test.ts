// What ships with Lectern, whichever it is: its card and README.md say what the file is, it loads, and it answers with words that
// stand in the text. How good its answers are is measured in test/eval, not tested.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { answerQuestion } from "../src/engine/answer/answerQuestion.ts";
import { pointerPath, readPointer } from "../src/engine/answer/pointer/pointerWeights.ts";
import { choosePromptFormat } from "../src/engine/answer/promptFormats/index.ts";
import { Shelf } from "../src/engine/answer/shelf.ts";
import { NoAdapterError } from "../src/engine/errors.ts";
import type { DecoderConfig } from "../src/engine/model/decoderConfig.ts";
import { inspectModel, type ModelInspection } from "../src/engine/model/models.ts";
import type { OpenModel } from "../src/engine/modelHost.ts";
import { openModelOnGpu } from "../src/engine/openModel.ts";
import { openTokenizer } from "../src/engine/openTokenizer.ts";
import { embeddedModelPath } from "../src/engine/resources.ts";
import { readReadme } from "./support/readmeTables.ts";
import { skip } from "./support/skip.ts";
import { withFiles } from "./support/writtenFiles.ts";

const path = embeddedModelPath();
const grouped = (value: number): string => value.toLocaleString("en");

describe("the embedded model", () => {
  let model: ModelInspection;
  let config: DecoderConfig;
  before(async () => {
    model = await inspectModel(path);
    config = model.config ?? assert.fail(model.problem);
  });

  it("is what its card says", () => {
    const card = readFileSync(path.replace(/\.gguf$/, ".md"), "utf8");
    const { hiddenSize, numLayers, numHeads, numKvHeads, headDim, intermediateSize } = config;
    const formats = new Set(
      model.tensors.filter(({ shape }) => shape.length > 1).map(({ type }) => type.toUpperCase()),
    );
    const output = config.tiedOutput ? "tied output" : "output of its own";
    for (const fact of [
      `| file | \`${basename(path)}\`, GGUF v${model.version}, ${[...formats].join(", ")}, ${Math.round(model.bytes / 1e6)} MB |`,
      `| SHA-256 | \`${createHash("sha256").update(readFileSync(path)).digest("hex")}\` |`,
      `| architecture | ${model.architecture}: ${numLayers} layers of width ${hiddenSize}, ${numHeads} heads of ${headDim} over ${numKvHeads} KV heads, hidden ${intermediateSize}, ${output} |`,
      `| parameters | ${grouped(model.numParameters)} |`,
      `| vocabulary | ${grouped(config.vocabSize)} `,
      `| trained context | ${grouped(config.trainedContextLength)} tokens, RoPE theta ${grouped(config.layers[0]?.rope.theta ?? 0)}`,
    ])
      assert.ok(card.includes(fact), `the card lacks: ${fact}`);
  });

  it("has the span pointer that its card describes, both in 40 MB", async () => {
    const card = readFileSync(path.replace(/\.gguf$/, ".md"), "utf8");
    const own = pointerPath(path);
    const pointer = (await readPointer(path)) ?? assert.fail("there is no pointer");
    const numParameters = [...pointer.tensors.values()].reduce(
      (sum, { length }) => sum + length,
      0,
    );
    const bytes = readFileSync(own);
    for (const fact of [
      `| file | \`${basename(own)}\`, GGUF v3, ${(bytes.length / 1e6).toFixed(1)} MB |`,
      `| SHA-256 | \`${createHash("sha256").update(bytes).digest("hex")}\` |`,
      `| parameters | ${grouped(numParameters)} |`,
    ])
      assert.ok(card.includes(fact), `the card lacks: ${fact}`);
    assert.ok(model.bytes + bytes.length <= 40e6);
  });

  it("is as large as README.md says", () => {
    const [, stated] = / has ([\d,]+) parameters;/.exec(readReadme()) ?? [];
    assert.equal(stated, grouped(model.numParameters));
  });

  it("asks for the prompt format that it was trained with", async () => {
    const tokenizer = await openTokenizer();
    const metadata = new Map(Object.entries(model.metadata));
    const format = choosePromptFormat(metadata);
    assert.equal(format.id, "reader");
    const passage = { path: "a.md", startLine: 1, endLine: 1, score: 1, text: "Tea is hot." };
    const request = { question: "Why?", passages: [passage], history: [], maxTokens: 100 };
    const { tokens } = await format.build({ metadata, tokenizer }, request);
    assert.equal(tokens[0], tokenizer.bosToken);
    assert.equal(tokenizer.decode(tokens.slice(-1)), ":");
  });

  describe("on an adapter", function () {
    this.timeout(300_000);
    let opened: OpenModel | undefined;
    before(async function () {
      try {
        opened = await openModelOnGpu({}, { observer: {}, signal: new AbortController().signal });
      } catch (error) {
        if (error instanceof NoAdapterError) skip(this, error.message);
        throw error;
      }
    });
    after(() => opened?.dispose());

    it("answers with words that stand in the lines it cites", async () => {
      assert.equal(opened?.info.source, "embedded");
      const { model: loaded } = opened;
      const files = {
        "mill.md":
          "# Mill\n\nThe meadow behind the mill was quiet, and nobody came along the road.\n",
        "keys.md": "# Keys\n\nThe access code of the north vault is 48213.\n",
      };
      await withFiles(files, async (folder) => {
        const question = "What is the access code of the north vault?";
        const tools = { shelf: new Shelf(), tokenizer: loaded.tokenizer, model: loaded };
        const answer = await answerQuestion({ paths: [folder], question }, tools, {});
        assert.equal(answer.found, true);
        const [citation] = answer.citations;
        assert.equal(citation?.verified, true);
        assert.match(citation.path, /keys\.md$/);
        assert.ok(answer.answer !== "" && citation.quote.includes(answer.answer));
        assert.ok((answer.stats?.promptTokens ?? 0) > 0);
      });
    });

    it("weighs no spans of passages in which its pointer sees no answer", async () => {
      const { model: loaded } = opened ?? assert.fail("the model is opened in a before hook");
      const files = {
        "a.md": "The parliament of the republic was established in 1952 after a long debate.\n",
        "b.md": "Visitors of the established parliament may watch from a gallery above the rows.\n",
        "c.md": "An established custom of the parliament is a song that is sung at noon.\n",
      };
      await withFiles(files, async (folder) => {
        const question = "In what year was the parliament established?";
        const tools = { shelf: new Shelf(), tokenizer: loaded.tokenizer, model: loaded };
        const answer = await answerQuestion({ paths: [folder], question }, tools, {});
        assert.equal(answer.answer, "1952");
        const { promptTokens = 0, generatedTokens = 0 } = answer.stats ?? {};
        // The pointer has read all of them; the model has answered over one.
        const tokens = Object.values(files).map((text) => loaded.tokenizer.encode(text).length);
        assert.ok(promptTokens > tokens.reduce((sum, count) => sum + count, 0));
        assert.ok(generatedTokens <= 8, `${generatedTokens} tokens were generated`);
      });
    });
  });
});
