// The vocabulary a model's metadata describes: pieces, their types, special ids. Malformed metadata ends here, in a UserError.

import { UserError } from "../errors.ts";

/** GGUF's `tokenizer.ggml.token_type` values. */
export const TokenType = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

export type Metadata = ReadonlyMap<string, unknown>;

export interface Vocabulary {
  /** Written form of each token, as the metadata spell it. */
  readonly pieces: readonly string[];
  /** One TokenType per token. */
  readonly types: Uint8Array;
  /** Written form to token; empty pieces are left out. */
  readonly ids: ReadonlyMap<string, number>;
  readonly bosToken: number | undefined;
  readonly eosToken: number | undefined;
  readonly unknownToken: number | undefined;
  readonly endTokens: ReadonlySet<number>;
}

/** What templates write at the end of a turn; files often name only one of them as EOS. */
const END_OF_TURN = [
  "<|eot_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|endoftext|>",
  "<|eom_id|>",
  "<|return|>",
  "<|call|>",
  "<end_of_turn>",
  "<EOT>",
  "[EOT]",
  "<｜end▁of▁sentence｜>",
];

/** Forms that open and close turns. Files that list them as ordinary tokens would let document text forge them. */
const LOOKS_LIKE_CONTROL =
  /^(?:<\|.*\|>|<｜.*｜>|<(?:start|end)_of_turn>|\[\/?(?:INST|SYSTEM_PROMPT)\])$/su;

const NUM_TOKENS_LIMIT = 2 ** 21;

/** Reads the vocabulary; throws UserError where it is missing, inconsistent or names tokens it does not have. */
export function readVocabulary(metadata: Metadata): Vocabulary {
  const pieces = readStrings(metadata, "tokenizer.ggml.tokens");
  if (pieces.length === 0 || pieces.length > NUM_TOKENS_LIMIT)
    throw malformed(
      `tokenizer.ggml.tokens holds ${pieces.length} tokens, not 1 to ${NUM_TOKENS_LIMIT}`,
    );

  const ids = new Map<string, number>();
  pieces.forEach((piece, token) => {
    if (piece === "") return;
    const first = ids.get(piece);
    if (first !== undefined)
      throw malformed(`tokens ${first} and ${token} are both ${JSON.stringify(piece)}`);
    ids.set(piece, token);
  });

  const types = readTypes(metadata, pieces);
  // SentencePiece's usual ids, where the file names none and its tokens are what they should be.
  const usual = (token: number, type: number) =>
    metadata.get("tokenizer.ggml.model") === "llama" && types[token] === type ? token : undefined;
  const bosToken =
    readToken(metadata, "bos_token_id", pieces.length) ?? usual(1, TokenType.control);
  const eosToken =
    readToken(metadata, "eos_token_id", pieces.length) ?? usual(2, TokenType.control);
  const unknownToken =
    readToken(metadata, "unknown_token_id", pieces.length) ?? usual(0, TokenType.unknown);

  const endTokens = new Set<number>();
  if (eosToken !== undefined) endTokens.add(eosToken);
  for (const key of ["eot_token_id", "eom_token_id"]) {
    const token = readToken(metadata, key, pieces.length);
    if (token !== undefined) endTokens.add(token);
  }

  for (const form of END_OF_TURN) {
    const token = ids.get(form);
    if (token !== undefined && types[token] !== TokenType.normal) endTokens.add(token);
  }
  for (const token of [bosToken, ...endTokens])
    if (token !== undefined && types[token] !== TokenType.byte) types[token] = TokenType.control;

  return { pieces, types, ids, bosToken, eosToken, unknownToken, endTokens };
}

/** An array of strings under `key`. */
export function readStrings(metadata: Metadata, key: string): readonly string[] {
  const value = metadata.get(key);
  if (value === undefined) throw malformed(`${key} is missing`);
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string"))
    throw malformed(`${key} is not an array of strings`);
  return value;
}

/** One finite number per token under `key`; undefined when the key is missing. */
export function readNumbers(
  metadata: Metadata,
  key: string,
  count: number,
): Float64Array | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) && !ArrayBuffer.isView(value))
    throw malformed(`${key} is not an array of numbers`);
  const numbers = Float64Array.from(value as ArrayLike<unknown>, Number);
  if (numbers.length !== count)
    throw malformed(`${key} has ${numbers.length} entries for ${count} tokens`);
  const bad = numbers.findIndex((entry) => !Number.isFinite(entry));
  if (bad >= 0) throw malformed(`${key}[${bad}] is not a finite number`);
  return numbers;
}

/** A boolean under `tokenizer.ggml.<name>`; undefined when the key is missing. */
export function readFlag(metadata: Metadata, name: string): boolean | undefined {
  const value = metadata.get(`tokenizer.ggml.${name}`);
  if (value === undefined || typeof value === "boolean") return value;
  throw malformed(`tokenizer.ggml.${name} is ${String(value)}, not true or false`);
}

/** The error every inconsistency of a vocabulary ends in. */
export function malformed(what: string): UserError {
  return new UserError(
    `The model's tokenizer is malformed: ${what}. Download or convert the file again.`,
  );
}

function readToken(metadata: Metadata, name: string, numTokens: number): number | undefined {
  const key = `tokenizer.ggml.${name}`;
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  const token = typeof value === "bigint" ? Number(value) : value;
  // Writers spell "none" as -1, which an unsigned key turns into 4294967295; a file that says so and yet has tokens is broken.
  if (typeof token !== "number" || !Number.isInteger(token) || token < 0 || token >= numTokens)
    throw malformed(`${key} is ${String(value)}, outside the vocabulary of ${numTokens} tokens`);
  return token;
}

function readTypes(metadata: Metadata, pieces: readonly string[]): Uint8Array {
  const key = "tokenizer.ggml.token_type";
  const numbers = readNumbers(metadata, key, pieces.length);
  const types = new Uint8Array(pieces.length).fill(TokenType.normal);
  pieces.forEach((piece, token) => {
    const type = numbers?.[token] ?? (BYTE_PIECE.test(piece) ? TokenType.byte : TokenType.normal);
    if (type === TokenType.byte && !BYTE_PIECE.test(piece))
      throw malformed(`token ${token}, ${JSON.stringify(piece)}, is no byte between 0x00 and 0xFF`);
    if (!Number.isInteger(type) || type < 0 || type > TokenType.byte)
      throw malformed(`${key}[${token}] is ${type}, not between 0 and ${TokenType.byte}`);
    const isForgeable =
      (type === TokenType.userDefined || type === TokenType.normal) &&
      LOOKS_LIKE_CONTROL.test(piece);
    types[token] = isForgeable ? TokenType.control : type;
  });
  return types;
}

const BYTE_PIECE = /^<0x[0-9A-Fa-f]{2}>$/;
