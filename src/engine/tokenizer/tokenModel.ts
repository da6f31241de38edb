// How one family of tokenizers turns plain text into tokens and tokens into bytes. Special tokens are not its business.

export interface TokenModel {
  /** Whether BOS goes in front where the metadata are silent. */
  readonly addsBosByDefault: boolean;
  /** Whether a text is encoded as if a space stood in front of it. */
  readonly addsSpacePrefix: boolean;
  /** Append the tokens of `text` to `output`. */
  encode(text: string, output: number[]): void;
  /** The bytes behind a piece of a TokenType. */
  bytes(piece: string, type: number): Uint8Array;
}
