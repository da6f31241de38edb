// Byte-level BPE (`tokenizer.ggml.model` = gpt2): the text is split by a pre-tokenizer, each part merged by the rank of its merges.

import { BYTE_CHARACTERS, bytesPiece, pieceBytes } from "./byteAlphabet.ts";
import { type MergeRule, PairMerger } from "./pairMerger.ts";
import { PairTable } from "./pairTable.ts";
import { PieceCache } from "./pieceCache.ts";
import { findPreTokenizer, type PreTokenizer, splitText } from "./preTokenizers.ts";
import type { TokenModel } from "./tokenModel.ts";
import {
  type Metadata,
  malformed,
  readFlag,
  readStrings,
  TokenType,
  type Vocabulary,
} from "./vocabulary.ts";

const UTF8 = new TextEncoder();

/** The byte-level model of `metadata`; throws UserError for malformed merges or an unknown pre-tokenizer. */
export function createByteLevelBpe(vocabulary: Vocabulary, metadata: Metadata): TokenModel {
  const preTokenizer = findPreTokenizer(metadata.get("tokenizer.ggml.pre"));
  const merges = readStrings(metadata, "tokenizer.ggml.merges");
  return new ByteLevelBpe(
    vocabulary,
    merges,
    preTokenizer,
    readFlag(metadata, "add_space_prefix") ?? false,
  );
}

class ByteLevelBpe implements TokenModel, MergeRule {
  readonly addsBosByDefault: boolean;
  readonly addsSpacePrefix: boolean;
  readonly #vocabulary: Vocabulary;
  readonly #preTokenizer: PreTokenizer;
  /** Merge index by the two tokens it joins. */
  readonly #merges: PairTable;
  /** Token each merge makes. */
  readonly #merged: Int32Array;
  readonly #byteTokens: Int32Array;
  readonly #merger = new PairMerger();
  readonly #cache = new PieceCache();
  #symbols = new Int32Array(256);

  constructor(
    vocabulary: Vocabulary,
    merges: readonly string[],
    preTokenizer: PreTokenizer,
    addsSpacePrefix: boolean,
  ) {
    this.#vocabulary = vocabulary;
    this.#preTokenizer = preTokenizer;
    this.addsBosByDefault = preTokenizer.addsBos ?? false;
    this.addsSpacePrefix = addsSpacePrefix;
    this.#byteTokens = Int32Array.from(BYTE_CHARACTERS, (piece) => vocabulary.ids.get(piece) ?? -1);
    this.#merges = new PairTable(merges.length);
    this.#merged = new Int32Array(merges.length);
    merges.forEach((merge, index) => {
      this.#addMerge(merge, index);
    });
  }

  encode(text: string, output: number[]): void {
    splitText(this.#preTokenizer, text, (part) => {
      this.#cache.append(part, output, this.#encodePart);
    });
  }

  bytes(piece: string, type: number): Uint8Array {
    return type === TokenType.normal || type === TokenType.byte
      ? pieceBytes(piece)
      : UTF8.encode(piece);
  }

  candidate(left: number, middle: number): number {
    return this.#merges.get(this.#symbols[left]!, this.#symbols[middle]!);
  }

  priority(candidate: number): number {
    return candidate;
  }

  apply(candidate: number, left: number): void {
    this.#symbols[left] = this.#merged[candidate]!;
  }

  readonly #encodePart = (part: string, output: number[]): void => {
    const bytes = UTF8.encode(part);
    if (this.#preTokenizer.ignoresMerges) {
      const whole = this.#wholeToken(bytes);
      if (whole !== undefined) {
        output.push(whole);
        return;
      }
    }
    if (this.#symbols.length < bytes.length) this.#symbols = new Int32Array(bytes.length * 2);
    for (let i = 0; i < bytes.length; i++) this.#symbols[i] = this.#byteTokens[bytes[i]!]!;
    this.#merger.run(bytes.length, this);
    for (let symbol = 0; symbol < bytes.length; symbol = this.#merger.ends[symbol]!) {
      const token = this.#symbols[symbol]!;
      if (token >= 0) output.push(token);
      else if (this.#vocabulary.unknownToken !== undefined)
        output.push(this.#vocabulary.unknownToken);
    }
  };

  /** The token that spells all of `bytes`, whether or not merges lead to it. */
  #wholeToken(bytes: Uint8Array): number | undefined {
    if (bytes.length > LONGEST_WHOLE_PIECE) return undefined;
    const token = this.#vocabulary.ids.get(bytesPiece(bytes));
    return token !== undefined && this.#vocabulary.types[token] === TokenType.normal
      ? token
      : undefined;
  }

  #addMerge(merge: string, index: number): void {
    // The first piece is not empty, and may itself be a space in vocabularies that are not byte-level.
    const space = merge.indexOf(" ", 1);
    const left = this.#vocabulary.ids.get(merge.slice(0, space));
    const right = this.#vocabulary.ids.get(merge.slice(space + 1));
    const merged = this.#vocabulary.ids.get(merge.slice(0, space) + merge.slice(space + 1));
    if (space < 0 || left === undefined || right === undefined || merged === undefined)
      throw malformed(
        `tokenizer.ggml.merges[${index}], ${JSON.stringify(merge)}, names a token that is not in the vocabulary`,
      );
    this.#merges.add(left, right, index);
    this.#merged[index] = merged;
  }
}

/** No vocabulary holds longer pieces; longer parts need not be spelled out to be looked up. */
const LONGEST_WHOLE_PIECE = 1024;
