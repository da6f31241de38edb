// The one tokenizer interface; built from a model's metadata by `createTokenizer`.

export interface EncodeOptions {
  /** Put BOS in front and EOS behind where the metadata say so. Default false. */
  readonly addSpecial?: boolean;
  /** Recognise special tokens written in the text. Never set for document text. Default false. */
  readonly parseSpecial?: boolean;
}

/** A stretch of text with its own right to hold special tokens; what a chat template wrote has it, what a user wrote has not. */
export interface TextSegment {
  readonly text: string;
  readonly parseSpecial: boolean;
}

/** Text of generated tokens, never splitting a character. */
export interface TokenStream {
  /** Text that became complete with this token; may be empty. */
  push(token: number): string;
  /** What is left at the end, incomplete bytes as U+FFFD. */
  flush(): string;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosToken: number | undefined;
  /** Tokens that end a generation: EOS, EOT, EOM where the metadata name them. */
  readonly endTokens: ReadonlySet<number>;
  readonly addsBos: boolean;
  encode(text: string, options?: EncodeOptions): number[];
  /** Encode the segments as one text, special tokens recognised only inside the segments that may hold them. */
  encodeSegments(
    segments: readonly TextSegment[],
    options?: { readonly addSpecial?: boolean },
  ): number[];
  /** Inverse of encode. Special tokens are left out unless `special`. */
  decode(tokens: Iterable<number>, options?: { readonly special?: boolean }): string;
  /** The bytes behind one token. */
  tokenBytes(token: number): Uint8Array;
  /** The token with exactly this written form, special ones included. */
  tokenId(piece: string): number | undefined;
  stream(): TokenStream;
}
