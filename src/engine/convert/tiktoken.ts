// Tiktoken ranks (lines of base64 and rank, as Llama 3's tokenizer.model) as a byte-level BPE vocabulary of GGUF.
// Ranks name no merges; the merge that makes a token is what the ranks below its own leave of its bytes: two parts.

import { UserError } from "../errors.ts";
import type { WritableValue } from "../model/ggufWriter.ts";
import { bytesPiece } from "../tokenizer/byteAlphabet.ts";
import { readBounded } from "./readBounded.ts";

const MAX_BYTES = 64 * 2 ** 20;
const LLAMA3_RANKS = 128000;
const LLAMA3_SPECIAL = 256;
const NORMAL = 1;
const CONTROL = 3;

/** The metadata of a vocabulary-only GGUF. Throws UserError when the file is not ranks, or its pre-tokenizer is unknown. */
export async function readTiktoken(
  path: string,
  pre: string | undefined,
): Promise<Map<string, WritableValue>> {
  const tokens = parseRanks(await readBounded(path, MAX_BYTES), path);
  const isLlama3 = tokens.length === LLAMA3_RANKS;
  const preTokenizer = pre ?? (isLlama3 ? "llama-bpe" : undefined);
  if (preTokenizer === undefined)
    throw new UserError(
      `${path} has ${tokens.length} ranks, whose pre-tokenizer is not known: name it with --pre (for example llama-bpe or gpt-2).`,
    );
  const special = isLlama3 ? llama3SpecialTokens() : [];
  const written = tokens.map((bytes) => bytesPiece(Buffer.from(bytes, "latin1")));
  const u32 = (value: number): WritableValue => ({ type: "u32", value });
  const metadata = new Map<string, WritableValue>([
    ["general.architecture", { type: "string", value: "llama" }],
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: preTokenizer }],
    ["tokenizer.ggml.tokens", { type: "strings", value: [...written, ...special] }],
    [
      "tokenizer.ggml.token_type",
      { type: "i32s", value: [...tokens.map(() => NORMAL), ...special.map(() => CONTROL)] },
    ],
    ["tokenizer.ggml.merges", { type: "strings", value: deriveMerges(tokens) }],
  ]);
  if (isLlama3) {
    metadata.set("tokenizer.ggml.bos_token_id", u32(LLAMA3_RANKS));
    metadata.set("tokenizer.ggml.eos_token_id", u32(LLAMA3_RANKS + 1));
    metadata.set("tokenizer.ggml.eot_token_id", u32(LLAMA3_RANKS + 9));
    metadata.set("tokenizer.ggml.add_bos_token", { type: "bool", value: true });
  }
  return metadata;
}

/** Tokens by rank, each as a string of one character per byte (quick to slice and to look up). */
function parseRanks(bytes: Buffer, path: string): string[] {
  const tokens: string[] = [];
  const seen = new Set<string>();
  for (const [index, line] of bytes.toString("latin1").split("\n").entries()) {
    if (line === "") continue;
    const [, encoded, rank] = /^([A-Za-z0-9+/]+={0,2}) (\d+)\r?$/.exec(line) ?? [];
    const token = encoded && Buffer.from(encoded, "base64").toString("latin1");
    if (!token || Number(rank) !== tokens.length || seen.has(token))
      throw new UserError(
        `${path}:${index + 1} is not the rank ${tokens.length} of a token: give a tiktoken file with ranks from 0 without gaps.`,
      );
    seen.add(token);
    tokens.push(token);
  }
  return tokens;
}

/** "left right" for every token of two bytes or more, in rank order. A token that no merge reaches gets none. */
function deriveMerges(tokens: readonly string[]): string[] {
  const ranks = new Map(tokens.map((token, rank) => [token, rank]));
  const merges: string[] = [];
  for (const [rank, token] of tokens.entries()) {
    const [left, right, ...more] = mergeBelow(token, rank, ranks);
    if (left === undefined || right === undefined || more.length > 0) continue;
    merges.push(`${written(left)} ${written(right)}`);
  }
  return merges;
}

/** Byte-pair encoding of `token` with the ranks below `limit` only. */
function mergeBelow(token: string, limit: number, ranks: ReadonlyMap<string, number>): string[] {
  const parts = [...token];
  for (;;) {
    let best = limit;
    let at = -1;
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = ranks.get(`${parts[i]}${parts[i + 1]}`) ?? limit;
      if (rank < best) {
        best = rank;
        at = i;
      }
    }
    if (at < 0) return parts;
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`);
  }
}

function written(token: string): string {
  return bytesPiece(Buffer.from(token, "latin1"));
}

/** Llama 3's 256 special tokens in order; those without a use are reserved. */
function llama3SpecialTokens(): string[] {
  const named = new Map([
    [0, "<|begin_of_text|>"],
    [1, "<|end_of_text|>"],
    [6, "<|start_header_id|>"],
    [7, "<|end_header_id|>"],
    [9, "<|eot_id|>"],
  ]);
  let reserved = 0;
  return Array.from(
    { length: LLAMA3_SPECIAL },
    (_, i) => named.get(i) ?? `<|reserved_special_token_${reserved++}|>`,
  );
}
