// What sparse prefill costs in quality: how well each method reads a novel, and which of the facts planted in it the model
// still finds when the questions come after the text. A text is read once by each method; then the model goes on with the
// beginning of each fact's sentence. Beside it the trivial way: the sentence that shares most words with the question.
// Run: npx tsx test/bench/sparsityQuality.ts --text FILE [--model FILE.gguf] [--length 2048] [--documents 2] [--facts 10]
//      [--threshold T] [--scaling yarn] [--methods dense,lambda,…]; a Markdown table.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { cutToTokens, plant } from "../../src/cli/eval/haystack.ts";
import { Random } from "../../src/cli/eval/random.ts";
import { someKeys } from "../../src/cli/eval/words.ts";
import { sentenceEnds } from "../../src/engine/answer/sentences.ts";
import { GpuLanguageModel } from "../../src/engine/generate.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { DENSE, prefillSparsityIds } from "../../src/engine/model/sparsity/index.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import type { Tokenizer } from "../../src/engine/tokenizer/tokenizer.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModelPath() },
    text: { type: "string", default: "" },
    length: { type: "string", default: "2048" },
    documents: { type: "string", default: "2" },
    facts: { type: "string", default: "10" },
    threshold: { type: "string" },
    scaling: { type: "string", default: "yarn" },
    methods: { type: "string", default: prefillSparsityIds.join() },
  },
});
const length = Number(values.length);
const numDocuments = Number(values.documents);
const numFacts = Number(values.facts);
const ANSWER_TOKENS = 8;
/** For a question and its answer. */
const BEHIND_TOKENS = 64;
/** For a fact's sentence in the text. */
const FACT_TOKENS = 30;

interface Fact {
  readonly cue: string;
  readonly value: string;
}

interface Document {
  readonly text: string;
  readonly facts: readonly Fact[];
}

const book = await readFile(values.text, "utf8");
const gpu = await openCheckedGpu();
let searched = 0;
console.log(
  `${length} tokens, ${numDocuments} texts with ${numFacts} facts each, from the beginning to the end\n\n| method | blocks attended | nats a token | facts found |\n|---|---:|---:|---:|`,
);
for (const method of values.methods.split(",")) await measure(method);
console.log(`| search | - | - | ${searched} |`);
gpu.dispose();

async function measure(method: string): Promise<void> {
  const threshold = method === DENSE ? undefined : values.threshold;
  const model = await loadModel(gpu, values.model, {
    prefillSparsity: method,
    ...(threshold && { prefillThreshold: Number(threshold) }),
    ropeScaling: values.scaling,
    contextLength: length + BEHIND_TOKENS,
  });
  if (!(model instanceof GpuLanguageModel)) throw new Error("the model does not run on the GPU");
  const { tokenizer } = model;
  const documents = makeDocuments(tokenizer);
  searched = 0;
  let [found, attended, nats, tokens] = [0, 0, 0, 0];
  for (const { text, facts } of documents) {
    const nll = await model.scoreTokens(tokenizer.encode(text, { addSpecial: true }));
    nats += nll.reduce((sum, x) => sum + x, 0);
    tokens += nll.length;
    attended += (await model.prefillStats())?.blocksAttended ?? 1;
    for (const { cue, value } of facts) {
      const prompt = tokenizer.encode(`${text}\n\n${cue}`, { addSpecial: true });
      let answer = "";
      for await (const piece of model.generate({ prompt, maxTokens: ANSWER_TOKENS }))
        answer += piece.text;
      if (answer.trim().startsWith(value)) found++;
      if (isFoundBySearch(text, { cue, value })) searched++;
    }
  }
  model.dispose();
  const cells = [(attended / numDocuments).toFixed(2), (nats / tokens).toFixed(3), found];
  console.log(`| ${method} | ${cells.join(" | ")} |`);
}

/** The same for every method. */
function makeDocuments(tokenizer: Tokenizer): Document[] {
  const random = new Random(`sparsity ${length}`);
  return Array.from({ length: numDocuments }, () => {
    const at = random.integer(0, book.length - 8 * length);
    const tokens = length - BEHIND_TOKENS - numFacts * FACT_TOKENS;
    const prose = cutToTokens(book.slice(at, at + 8 * length), tokens, tokenizer);
    const facts = someKeys(random, numFacts).map((name) => ({
      cue: `The pass key of the ${name.replace("-", " ")} is`,
      value: `${random.integer(10_000, 99_999)}`,
    }));
    const text = facts.reduce(
      (planted, { cue, value }, i) =>
        plant(planted, `${cue} ${value}.`, (100 * i) / Math.max(1, numFacts - 1)),
      prose,
    );
    return { text, facts };
  });
}

function isFoundBySearch(text: string, { cue, value }: Fact): boolean {
  const words = new Set(cue.toLowerCase().split(" "));
  const ends = sentenceEnds(text);
  const sentences = ends.map((end, i) => text.slice(ends[i - 1] ?? 0, end));
  const shared = (sentence: string): number =>
    new Set(
      sentence
        .toLowerCase()
        .match(/\w+/g)
        ?.filter((word) => words.has(word)),
    ).size;
  const best = sentences.reduce((a, b) => (shared(b) > shared(a) ? b : a), "");
  return best.includes(value);
}
