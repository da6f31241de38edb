// Builds the tokenizer a model's metadata describe, and joins the parts every family shares: special tokens, BOS and EOS, decoding.

import { UserError } from "../errors.ts";
import { createByteLevelBpe } from "./byteLevelBpe.ts";
import { createSentencePiece } from "./sentencePiece.ts";
import { SpecialTokens } from "./specialTokens.ts";
import type { EncodeOptions, TextSegment, Tokenizer, TokenStream } from "./tokenizer.ts";
import type { TokenModel } from "./tokenModel.ts";
import {
  type Metadata,
  malformed,
  readFlag,
  readVocabulary,
  TokenType,
  type Vocabulary,
} from "./vocabulary.ts";

/** Tokenizer families by `tokenizer.ggml.model`. */
const TOKEN_MODELS: Readonly<
  Record<string, (vocabulary: Vocabulary, metadata: Metadata) => TokenModel>
> = {
  llama: createSentencePiece,
  gpt2: createByteLevelBpe,
};

/** The tokenizer that GGUF `metadata` describe. Throws UserError when they are malformed or name an unknown tokenizer. */
export function createTokenizer(metadata: ReadonlyMap<string, unknown>): Tokenizer {
  const name = metadata.get("tokenizer.ggml.model");
  if (name === undefined) throw malformed("tokenizer.ggml.model is missing");
  const create = Object.hasOwn(TOKEN_MODELS, String(name)) ? TOKEN_MODELS[String(name)] : undefined;
  if (create === undefined)
    throw new UserError(
      `The model's tokenizer "${String(name)}" is not supported; choose a model with one of: ${Object.keys(TOKEN_MODELS).join(", ")}.`,
    );
  const vocabulary = readVocabulary(metadata);
  return new MetadataTokenizer(vocabulary, create(vocabulary, metadata), metadata);
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

class MetadataTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosToken: number | undefined;
  readonly endTokens: ReadonlySet<number>;
  readonly addsBos: boolean;
  readonly #addsEos: boolean;
  readonly #vocabulary: Vocabulary;
  readonly #model: TokenModel;
  readonly #bytes: (Uint8Array | undefined)[];
  readonly #userDefined: SpecialTokens;
  readonly #special: SpecialTokens;
  /** Phi-3's turn tokens swallow the white space behind them; GGUF has no key that says so. */
  readonly #swallowsSpace: boolean;

  constructor(vocabulary: Vocabulary, model: TokenModel, metadata: Metadata) {
    this.#vocabulary = vocabulary;
    this.#model = model;
    this.vocabSize = vocabulary.pieces.length;
    this.bosToken = vocabulary.bosToken;
    this.endTokens = vocabulary.endTokens;
    const addsBos = readFlag(metadata, "add_bos_token");
    if (addsBos && this.bosToken === undefined)
      throw malformed("tokenizer.ggml.add_bos_token is true, but there is no bos_token_id");
    this.addsBos = (addsBos ?? model.addsBosByDefault) && this.bosToken !== undefined;
    this.#addsEos = readFlag(metadata, "add_eos_token") ?? false;
    if (this.#addsEos && vocabulary.eosToken === undefined)
      throw malformed("tokenizer.ggml.add_eos_token is true, but there is no eos_token_id");
    this.#bytes = new Array(this.vocabSize);
    this.#userDefined = new SpecialTokens(this.#forms([TokenType.userDefined]));
    this.#special = new SpecialTokens(
      this.#forms([TokenType.userDefined, TokenType.control, TokenType.unknown]),
    );
    this.#swallowsSpace = /phi-?3/i.test(String(metadata.get("general.name") ?? ""));
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    return this.encodeSegments([{ text, parseSpecial: options.parseSpecial ?? false }], options);
  }

  encodeSegments(
    segments: readonly TextSegment[],
    options: { readonly addSpecial?: boolean } = {},
  ): number[] {
    const output: number[] = [];
    if (options.addSpecial && this.addsBos && this.bosToken !== undefined)
      output.push(this.bosToken);

    let text = "";
    // A user-defined token is a word of the text; only at the start and behind a control token does a text begin anew.
    let beginsAnew = true;
    const flush = () => {
      if (text === "") return;
      this.#model.encode(beginsAnew && this.#model.addsSpacePrefix ? ` ${text}` : text, output);
      text = "";
      beginsAnew = false;
    };
    for (const segment of segments) {
      const matcher = segment.parseSpecial ? this.#special : this.#userDefined;
      matcher.split(
        segment.text,
        (stretch) => {
          text += stretch;
        },
        (token, end) => {
          flush();
          output.push(token);
          beginsAnew = this.#isSpecial(token);
          return this.#swallowsSpaceBehind(token) ? skipSpace(segment.text, end) : end;
        },
      );
    }
    flush();
    if (options.addSpecial && this.#addsEos && this.#vocabulary.eosToken !== undefined)
      output.push(this.#vocabulary.eosToken);
    return output;
  }

  decode(tokens: Iterable<number>, options: { readonly special?: boolean } = {}): string {
    const bytes = new ByteBuffer();
    for (const token of tokens)
      if (options.special || !this.#isSpecial(token)) bytes.append(this.tokenBytes(token));
    const text = bytes.text();
    return this.#model.addsSpacePrefix && text.startsWith(" ") ? text.slice(1) : text;
  }

  tokenBytes(token: number): Uint8Array {
    const known = this.#bytes[token];
    if (known !== undefined) return known;
    const piece = this.#vocabulary.pieces[token];
    const type = this.#vocabulary.types[token];
    if (piece === undefined || type === undefined)
      throw new UserError(
        `Token ${token} is outside the model's vocabulary of ${this.vocabSize} tokens; use tokens of the same model.`,
      );
    const bytes = this.#model.bytes(piece, type);
    this.#bytes[token] = bytes;
    return bytes;
  }

  tokenId(piece: string): number | undefined {
    return this.#vocabulary.ids.get(piece);
  }

  stream(): TokenStream {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (token) =>
        this.#isSpecial(token) ? "" : decoder.decode(this.tokenBytes(token), { stream: true }),
      flush: () => decoder.decode(),
    };
  }

  #isSpecial(token: number): boolean {
    const type = this.#vocabulary.types[token];
    return type === TokenType.control || type === TokenType.unknown;
  }

  #swallowsSpaceBehind(token: number): boolean {
    if (!this.#swallowsSpace) return false;
    return !["<unk>", "<s>", "<|endoftext|>"].includes(this.#vocabulary.pieces[token] ?? "");
  }

  *#forms(types: readonly number[]): Generator<readonly [string, number]> {
    for (const [token, type] of this.#vocabulary.types.entries())
      if (types.includes(type)) yield [UTF8.decode(this.tokenBytes(token)), token];
  }
}

/** Bytes of many tokens, decoded at once: a character may span tokens. */
class ByteBuffer {
  #bytes = new Uint8Array(1024);
  #length = 0;

  append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) {
      const larger = new Uint8Array((this.#length + bytes.length) * 2);
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(): string {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return decoder.decode(this.#bytes.subarray(0, this.#length));
  }
}

function skipSpace(text: string, offset: number): number {
  let end = offset;
  while (end < text.length && /\s/.test(text.charAt(end))) end++;
  return end;
}
