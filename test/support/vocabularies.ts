// Vocabularies for tokenizer tests: the real ones of the test data, and small ones made up on the spot.

import { readTiktoken } from "../../src/engine/convert/tiktoken.ts";
import { readVocabJson } from "../../src/engine/convert/vocabJson.ts";
import { GgufFile } from "../../src/engine/model/gguf.ts";
import { BYTE_CHARACTERS } from "../../src/engine/tokenizer/byteAlphabet.ts";
import type { Tokenizer } from "../../src/engine/tokenizer/tokenizer.ts";
import { testData } from "./testData.ts";

export type MetadataMap = Map<string, unknown>;

/** Where each vocabulary of the test data lies, and where the strings and tokens that llama.cpp checks it with. */
export const REAL_VOCABULARIES = {
  "gpt-2": { path: "ggml-vocab-gpt-2.gguf", cases: "ggml-vocab-gpt-2.gguf" },
  "llama-spm": { path: "ggml-vocab-llama-spm.gguf", cases: "ggml-vocab-llama-spm.gguf" },
  "qwen2.5": { path: "qwen2.5/vocab.json", cases: "qwen2.5/ggml-vocab-qwen2.gguf" },
  "llama-3": { path: "llama3/tokenizer.model", cases: "llama3/ggml-vocab-llama-bpe.gguf" },
} as const;

export type RealVocabulary = keyof typeof REAL_VOCABULARIES;

/** Metadata of a real vocabulary; skips the test when it is absent. */
export async function realMetadata(
  context: Mocha.Context,
  name: RealVocabulary,
): Promise<MetadataMap> {
  const path = testData(context, `tokenizers/${REAL_VOCABULARIES[name].path}`);
  if (path.endsWith(".gguf")) {
    const file = await GgufFile.open(path);
    await file.close();
    return new Map(file.metadata.values);
  }
  const read = path.endsWith(".json") ? readVocabJson : readTiktoken;
  const metadata = await read(path, undefined);
  return new Map([...metadata].map(([key, { value }]) => [key, value]));
}

/** A SentencePiece vocabulary: `<unk> <s> </s>`, all bytes, then `pieces`, each scored below the one before. */
export function sentencePieceMetadata(
  pieces: readonly string[],
  extra: Readonly<Record<string, unknown>> = {},
): MetadataMap {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const special = ["<unk>", "<s>", "</s>"];
  return new Map<string, unknown>([
    ["tokenizer.ggml.model", "llama"],
    ["tokenizer.ggml.tokens", [...special, ...bytes, ...pieces]],
    [
      "tokenizer.ggml.scores",
      [...[...special, ...bytes].map(() => 0), ...pieces.map((_, i) => -i)],
    ],
    ["tokenizer.ggml.token_type", [2, 3, 3, ...bytes.map(() => 6), ...pieces.map(() => 1)]],
    ["tokenizer.ggml.bos_token_id", 1],
    ["tokenizer.ggml.eos_token_id", 2],
    ...Object.entries(extra),
  ]);
}

/** A byte-level vocabulary: all bytes, then what `merges` ("left right") make, then `special` as control tokens. */
export function byteLevelMetadata(
  merges: readonly string[],
  special: readonly string[] = [],
  extra: Readonly<Record<string, unknown>> = {},
): MetadataMap {
  const merged = [...new Set(merges.map((merge) => merge.replace(" ", "")))];
  return new Map<string, unknown>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", "gpt-2"],
    ["tokenizer.ggml.tokens", [...BYTE_CHARACTERS, ...merged, ...special]],
    [
      "tokenizer.ggml.token_type",
      [...[...BYTE_CHARACTERS, ...merged].map(() => 1), ...special.map(() => 3)],
    ],
    ["tokenizer.ggml.merges", merges],
    ...Object.entries(extra),
  ]);
}

/** The tokens' written forms, one string. */
export function pieces(tokenizer: Tokenizer, tokens: readonly number[]): string {
  return tokens
    .map((token) => JSON.stringify(new TextDecoder().decode(tokenizer.tokenBytes(token))))
    .join(" ");
}
