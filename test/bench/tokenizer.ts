// Encoding and decoding speed over whole texts: npx tsx test/bench/tokenizer.ts [MODEL.gguf…]
// Without arguments: the embedded model and the vocabularies of the test data. Medians of RUNS, fresh tokenizer each time.

import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { GgufFile } from "../../src/engine/model/gguf.ts";
import { embeddedModelPath } from "../../src/engine/resources.ts";
import { createTokenizer } from "../../src/engine/tokenizer/createTokenizer.ts";
import { repositoryRoot } from "../support/testData.ts";

const RUNS = 3;
const data = resolve(repositoryRoot, process.env.LECTERN_TEST_DATA ?? "../shared/data");
const texts = ["kjv.txt", "war-and-peace-2600-0.txt", "hongloumeng.txt"].map((file) => {
  const encoding = file === "hongloumeng.txt" ? "gb18030" : "utf-8";
  return {
    file,
    text: new TextDecoder(encoding).decode(readFileSync(`${data}/texts/${file}`)),
  };
});
const vocabularies = ["gpt-2", "llama-spm"].map(
  (name) => `${data}/tokenizers/ggml-vocab-${name}.gguf`,
);
const models =
  process.argv.length > 2 ? process.argv.slice(2) : [embeddedModelPath(), ...vocabularies];

console.log("| tokenizer | text | tokens | load ms | encode MB/s | decode MB/s |");
console.log("|---|---|---:|---:|---:|---:|");
for (const path of models) {
  const file = await GgufFile.open(path);
  await file.close();
  for (const { file: name, text } of texts) {
    const megabytes = Buffer.byteLength(text) / 1e6;
    const runs = Array.from({ length: RUNS }, () => measure(file.metadata.values, text));
    const median = (pick: (run: Measured) => number) =>
      runs.map(pick).sort((a, b) => a - b)[RUNS >> 1] ?? Number.NaN;
    const cells = [
      basename(path),
      name,
      runs[0]?.numTokens,
      median((run) => run.loadMs).toFixed(0),
      ((megabytes * 1000) / median((run) => run.encodeMs)).toFixed(1),
      ((megabytes * 1000) / median((run) => run.decodeMs)).toFixed(1),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

interface Measured {
  readonly numTokens: number;
  readonly loadMs: number;
  readonly encodeMs: number;
  readonly decodeMs: number;
}

function measure(metadata: ReadonlyMap<string, unknown>, text: string): Measured {
  const began = performance.now();
  const tokenizer = createTokenizer(metadata);
  const loaded = performance.now();
  const tokens = tokenizer.encode(text);
  const encoded = performance.now();
  if (tokenizer.decode(tokens) !== text) throw new Error("decoding lost text");
  const decoded = performance.now();
  return {
    numTokens: tokens.length,
    loadMs: loaded - began,
    encodeMs: encoded - loaded,
    decodeMs: decoded - encoded,
  };
}
