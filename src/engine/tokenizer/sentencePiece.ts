// SentencePiece BPE (`tokenizer.ggml.model` = llama): the highest-scored merge first, bytes for what no piece spells.
// Spaces are spelled U+2581 in pieces; here pieces are compared with real spaces, so a U+2581 in a text stays itself, as bytes.

import { type MergeRule, PairMerger } from "./pairMerger.ts";
import { PieceCache } from "./pieceCache.ts";
import type { TokenModel } from "./tokenModel.ts";
import {
  type Metadata,
  malformed,
  readFlag,
  readNumbers,
  TokenType,
  type Vocabulary,
} from "./vocabulary.ts";

const SPACE_MARK = "\u2581";
const BIGRAM_TABLE_SIZE = 2 ** 21;
const UTF8 = new TextEncoder();

/** The SentencePiece model of `metadata`; throws UserError when its scores are missing or malformed. */
export function createSentencePiece(vocabulary: Vocabulary, metadata: Metadata): TokenModel {
  const scores = readNumbers(metadata, "tokenizer.ggml.scores", vocabulary.pieces.length);
  if (scores === undefined) throw malformed("tokenizer.ggml.scores is missing");
  return new SentencePiece(vocabulary, scores, readFlag(metadata, "add_space_prefix") ?? true);
}

class SentencePiece implements TokenModel, MergeRule {
  readonly addsBosByDefault = true;
  readonly addsSpacePrefix: boolean;
  readonly #unknownToken: number | undefined;
  readonly #ids = new Map<string, number>();
  readonly #priorities: Int32Array;
  readonly #byteTokens = new Int32Array(256).fill(-1);
  /** Nonzero where some piece may hold these two code units side by side; hashed, so never wrongly zero. */
  readonly #bigrams = new Uint8Array(BIGRAM_TABLE_SIZE);
  readonly #merger = new PairMerger();
  readonly #cache = new PieceCache();
  #longestPiece = 0;
  // The chunk being merged: its text, where each character starts, and the token of each symbol.
  #text = "";
  #offsets = new Int32Array(256);
  #symbols = new Int32Array(256);

  constructor(vocabulary: Vocabulary, scores: Float64Array, addsSpacePrefix: boolean) {
    this.#unknownToken = vocabulary.unknownToken;
    this.addsSpacePrefix = addsSpacePrefix;
    this.#priorities = rankByScore(scores);
    vocabulary.pieces.forEach((piece, token) => {
      const type = vocabulary.types[token];
      if (type === TokenType.byte) this.#byteTokens[Number.parseInt(piece.slice(3, 5), 16)] = token;
      if (type === TokenType.normal || type === TokenType.userDefined) this.#addPiece(piece, token);
    });
  }

  encode(text: string, output: number[]): void {
    // No merge crosses two characters that no piece holds side by side, so the text may be cut there.
    let start = 0;
    for (let end = 1; end <= text.length; end++) {
      if (end < text.length && this.#mayJoin(text.charCodeAt(end - 1), text.charCodeAt(end)))
        continue;
      this.#cache.append(text.slice(start, end), output, this.#encodeChunk);
      start = end;
    }
  }

  bytes(piece: string, type: number): Uint8Array {
    if (type === TokenType.byte) return Uint8Array.of(Number.parseInt(piece.slice(3, 5), 16));
    return UTF8.encode(type === TokenType.control ? piece : piece.replaceAll(SPACE_MARK, " "));
  }

  candidate(left: number, _middle: number, end: number): number {
    const from = this.#offsets[left]!;
    const to = this.#offsets[end]!;
    if (to - from > this.#longestPiece) return -1;
    return this.#ids.get(this.#text.slice(from, to)) ?? -1;
  }

  priority(candidate: number): number {
    return this.#priorities[candidate]!;
  }

  apply(candidate: number, left: number): void {
    this.#symbols[left] = candidate;
  }

  readonly #encodeChunk = (chunk: string, output: number[]): void => {
    this.#text = chunk;
    const numCharacters = this.#splitCharacters(chunk);
    this.#merger.run(numCharacters, this);
    const { ends } = this.#merger;
    for (let symbol = 0; symbol < numCharacters; symbol = ends[symbol]!) {
      const token = this.#symbols[symbol]!;
      if (token >= 0) output.push(token);
      else
        this.#pushBytes(chunk.slice(this.#offsets[symbol], this.#offsets[ends[symbol]!]), output);
    }
  };

  #splitCharacters(chunk: string): number {
    if (this.#offsets.length <= chunk.length) {
      this.#offsets = new Int32Array(chunk.length * 2);
      this.#symbols = new Int32Array(chunk.length * 2);
    }
    let count = 0;
    for (let offset = 0; offset < chunk.length; count++) {
      const next = offset + (chunk.codePointAt(offset)! > 0xffff ? 2 : 1);
      this.#offsets[count] = offset;
      this.#symbols[count] = this.#ids.get(chunk.slice(offset, next)) ?? -1;
      offset = next;
    }
    this.#offsets[count] = chunk.length;
    return count;
  }

  #pushBytes(character: string, output: number[]): void {
    const tokens = Array.from(UTF8.encode(character), (byte) => this.#byteTokens[byte]!);
    if (tokens.every((token) => token >= 0)) output.push(...tokens);
    else if (this.#unknownToken !== undefined) output.push(this.#unknownToken);
  }

  #addPiece(piece: string, token: number): void {
    const text = piece.replaceAll(SPACE_MARK, " ");
    if (text === "" || this.#ids.has(text)) return;
    this.#ids.set(text, token);
    this.#longestPiece = Math.max(this.#longestPiece, text.length);
    for (let i = 1; i < text.length; i++)
      this.#bigrams[bigramSlot(text.charCodeAt(i - 1), text.charCodeAt(i))] = 1;
  }

  #mayJoin(first: number, second: number): boolean {
    return this.#bigrams[bigramSlot(first, second)] !== 0 || isHighSurrogate(first);
  }
}

function bigramSlot(first: number, second: number): number {
  return (Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)) >>> 11;
}

function isHighSurrogate(codeUnit: number): boolean {
  return (codeUnit & 0xfc00) === 0xd800;
}

/** 0 for the highest score; equal scores share a rank, because they merge from left to right. */
function rankByScore(scores: Float64Array): Int32Array {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!);
  const ranks = new Int32Array(scores.length);
  let rank = 0;
  order.forEach((token, i) => {
    if (i > 0 && scores[token] !== scores[order[i - 1]!]) rank++;
    ranks[token] = rank;
  });
  return ranks;
}
