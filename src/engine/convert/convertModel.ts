// `lectern convert`: recognises what a file is and writes it as GGUF.

import { existsSync } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { type GgufContents, writeGguf } from "../model/ggufWriter.ts";
import type { EncodedType } from "./encodeWeights.ts";
import { openLlama2c } from "./llama2c.ts";
import { readSentencePiece } from "./sentencePiece.ts";
import { readTiktoken } from "./tiktoken.ts";
import { readVocabJson } from "./vocabJson.ts";

export interface ConvertOptions {
  /** Format of the matrices; rows that are no multiple of 32 stay F16 under q8_0. Default f32. */
  readonly type?: EncodedType;
  /** SentencePiece model of a llama2.c checkpoint; default: the only .model file beside it. */
  readonly tokenizer?: string;
  /** Pre-tokenizer of a byte-level vocabulary, where its files do not name it. */
  readonly pre?: string;
}

export interface ConvertResult {
  readonly source: string;
  readonly output: string;
  readonly kind: "llama2.c" | "vocab.json" | "tiktoken" | "sentencepiece";
  readonly numTensors: number;
  readonly bytes: number;
}

/**
 * Convert a llama2.c checkpoint, or a vocabulary (vocab.json or its folder, tiktoken ranks, a SentencePiece model),
 * to GGUF. Throws UserError when the source is none of them; never leaves a partial file.
 */
export async function convertModel(
  source: string,
  output: string,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  const path = await locate(source);
  if (resolve(path) === resolve(output))
    throw new UserError(`${output} is also the source: choose another name for the output.`);
  const kind = await recognise(path);
  const write = async (contents: GgufContents): Promise<ConvertResult> => ({
    source: path,
    output,
    kind,
    numTensors: contents.tensors.length,
    bytes: await writeGguf(output, contents),
  });
  switch (kind) {
    case "vocab.json":
      return write({ metadata: await readVocabJson(path, options.pre), tensors: [] });
    case "tiktoken":
      return write({ metadata: await readTiktoken(path, options.pre), tensors: [] });
    case "sentencepiece": {
      const { metadata } = await readSentencePiece(path);
      metadata.set("general.architecture", { type: "string", value: "llama" });
      return write({ metadata, tensors: [] });
    }
    case "llama2.c": {
      const checkpoint = await openLlama2c(path);
      try {
        return await write(await joinLlama2c(path, checkpoint, options));
      } finally {
        await checkpoint.close();
      }
    }
    default:
      return kind satisfies never;
  }
}

async function joinLlama2c(
  path: string,
  checkpoint: Awaited<ReturnType<typeof openLlama2c>>,
  options: ConvertOptions,
): Promise<GgufContents> {
  const tokenizer = options.tokenizer ?? (await onlyModelBeside(path));
  const vocabulary = await readSentencePiece(tokenizer);
  if (vocabulary.vocabSize !== checkpoint.vocabSize)
    throw new UserError(
      `${tokenizer} has ${vocabulary.vocabSize} pieces but ${path} ${checkpoint.vocabSize}: give the tokenizer it was trained with (--tokenizer).`,
    );
  const name = basename(path, extname(path));
  const { metadata, tensors } = checkpoint.contents(name, options.type ?? "f32");
  return { metadata: new Map([...metadata, ...vocabulary.metadata]), tensors };
}

async function locate(source: string): Promise<string> {
  const stats = await stat(source).catch(() => undefined);
  if (stats === undefined) throw new UserError(`${source} does not exist: check the path.`);
  if (!stats.isDirectory()) return source;
  for (const name of ["vocab.json", "tokenizer.model"])
    if (existsSync(join(source, name))) return join(source, name);
  throw new UserError(
    `${source} holds neither vocab.json nor tokenizer.model: give the file to convert.`,
  );
}

/** By content, since tiktoken ranks and SentencePiece models both come as tokenizer.model. */
async function recognise(path: string): Promise<ConvertResult["kind"]> {
  const handle = await open(path, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0);
    const start = buffer.subarray(0, bytesRead).toString("latin1");
    if (start.startsWith("GGUF"))
      throw new UserError(`${path} is a GGUF file already: use it as it is.`);
    if (/^\s*\{/.test(start)) return "vocab.json";
    if (/^[A-Za-z0-9+/]+={0,2} 0\r?\n/.test(start)) return "tiktoken";
    // A SentencePiece model begins with its first piece: field 1, a nested message that begins with field 1.
    if (buffer[0] === 0x0a && buffer[2] === 0x0a) return "sentencepiece";
    return "llama2.c";
  } finally {
    await handle.close();
  }
}

async function onlyModelBeside(path: string): Promise<string> {
  const folder = dirname(path);
  const models = (await readdir(folder)).filter((name) => name.endsWith(".model"));
  const [only] = models;
  if (only === undefined || models.length > 1)
    throw new UserError(
      `${folder} holds ${models.length} .model files: name the SentencePiece model with --tokenizer.`,
    );
  return join(folder, only);
}
