// Pass keys asked for after a text was read, by what of it the cache may recall: how often the key comes back.
//   npx tsx test/bench/recall.ts [--model FILE.gguf] [--length 2048] [--cases 12] [--only NAME,…]
// The text is Moby Dick's (LECTERN_TEST_DATA), the needle stands at 2 to 82 % of it. Every case reads its text anew.

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { planWholeReading } from "../../src/engine/answer/wholeReading.ts";
import { createDocument } from "../../src/engine/documents/document.ts";
import { loadModel } from "../../src/engine/loadModel.ts";
import { inspectModel } from "../../src/engine/model/models.ts";
import { openCheckedGpu } from "../../src/engine/openCheckedGpu.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import type { Tokenizer } from "../../src/engine/tokenizer/tokenizer.ts";
import type { ModelSettings } from "../../src/protocol.ts";
import { random } from "../support/random.ts";
import { repositoryRoot } from "../support/testData.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: embeddedModelPath() },
    length: { type: "string", default: "2048" },
    cases: { type: "string", default: "12" },
    only: { type: "string" },
  },
});
const length = Number(values.length);
const numCases = Number(values.cases);
const data = resolve(repositoryRoot, process.env.LECTERN_TEST_DATA ?? "../shared/data");
const book = readFileSync(join(data, "texts/moby-dick-2701-0.txt"), "utf8");

/** Positions are left for needle, question and answer. */
const LONGEST = Math.ceil(length * 1.25);
const bounded = { chunkLength: 256, contextLength: LONGEST, positionScheme: "in-cache" };
const streaming = { ...bounded, cachePolicy: "streaming-llm" };
const { trainedContextLength } = await inspectModel(values.model);
const settings: Readonly<Record<string, ModelSettings>> = {
  "full with NTK": {
    ropeScaling: "ntk",
    ropeFactor: Math.max(1, LONGEST / trainedContextLength),
    contextLength: LONGEST,
  },
  "streaming-llm 256": { ...streaming, cacheBudget: 256 },
  "streaming-llm 256 + recall 256": { ...streaming, cacheBudget: 256, cacheRecall: 256 },
  "streaming-llm 256 + recall 512": { ...streaming, cacheBudget: 256, cacheRecall: 512 },
  "streaming-llm 448 + recall 448": { ...streaming, cacheBudget: 448, cacheRecall: 448 },
  "h2o 256 + recall 512": { ...bounded, cachePolicy: "h2o", cacheBudget: 256, cacheRecall: 512 },
  "h2o 640": { ...bounded, cachePolicy: "h2o", cacheBudget: 640 },
};

const gpu = await openCheckedGpu();
console.log("| cache | pass keys found |\n|---|---:|");
for (const [name, chosen] of Object.entries(settings)) {
  if (values.only && !values.only.split(",").includes(name)) continue;
  const model = await loadModel(gpu, values.model, chosen);
  let found = 0;
  for (let i = 0; i < numCases; i++) {
    const { text, question, key } = makeCase(i, model.tokenizer);
    const place = { path: "moby.txt", label: "moby.txt" };
    const document = createDocument(place, { id: "text", kind: "prose" }, { text, marks: [] });
    const reading = await planWholeReading([document], {
      ...chosen,
      model: values.model,
      contextLength: 1e5,
    });
    await model.keeper?.read(reading.prefix, {});
    const prompt = await reading.promptFor(question);
    let answer = "";
    for await (const piece of model.generate({ prompt, maxTokens: 12, stop: ["\n"] }))
      answer += piece.text;
    if (answer.includes(key)) found++;
  }
  console.log(`| ${name} | ${found} of ${numCases} |`);
  model.dispose();
}
gpu.dispose();

interface Case {
  readonly text: string;
  readonly question: string;
  readonly key: string;
}

/** A piece of the book of `length` tokens, with a needle. */
function makeCase(number: number, tokenizer: Tokenizer): Case {
  const next = random(1000 + number);
  const pick = (of: readonly string[]): string => of[Math.floor(next() * of.length)] ?? "";
  const noun = pick(["pass key", "secret number", "access code"]);
  const whose = pick([" for the red library", " of Marcus", "", " for the hidden tower"]);
  const key = String(10_000 + Math.floor(next() * 89_999));
  const begin = 30_000 + Math.floor(next() * 900_000);
  // No token has more letters on average.
  const piece = book.slice(begin, begin + 8 * length).replaceAll("\r", "");
  const body = tokenizer.decode(tokenizer.encode(piece).slice(0, length));
  const depth = ((number % 6) / 5) * 0.8 + 0.02;
  const spot = body.indexOf(". ", Math.floor(depth * body.length)) + 2;
  const sentence = `The ${noun}${whose} is ${key}. `;
  const text = body.slice(0, spot) + sentence + body.slice(spot);
  return { text, question: `What is the ${noun}${whose}?`, key };
}
